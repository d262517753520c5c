/* One batch, its messages and the workers that want it: claim, lease, epoch, window, crash, sleep, pause, stop.
 * README.md beside this file says which name stands for what in the code. -DNO_EPOCH leaves out the fence.
 */
#define N 3        /* messages of the batch */
#define WINDOW 2   /* in flight at most */
#ifndef CRASHES
#define CRASHES 1  /* workers that die, in all */
#endif
#ifndef NAPS
#define NAPS 1     /* leases that run out although their worker lives */
#endif

mtype = { ready, claimed, done };
mtype state = ready;
byte epoch = 0;
byte owner = 0;         /* the worker whose claim stands; 0 once it died */
bool lease = false;     /* runs still */
bool paused = false, stopped = false;
bool in_flight[N];
bool settled[N];        /* an attempt says: accepted */
bool cancelled[N];
byte uncertain[N];      /* how often an attempt said so */
byte copies[N];         /* what the provider got */
byte crashes = 0, naps = 0;

#ifdef NO_EPOCH
#define MINE true
#else
#define MINE (state == claimed && epoch == mine)
#endif
#define MAY_GO (!paused && !stopped)

inline mark_uncertain() {
    i = 0;
    do
    :: i < N && in_flight[i] -> uncertain[i]++; in_flight[i] = false; i++
    :: i < N && !in_flight[i] -> i++
    :: i >= N -> break
    od
}

inline forget() {
    i = 0;
    do
    :: i < N -> waiting[i] = false; admitted[i] = false; sent[i] = false; i++
    :: i >= N -> break
    od
}

/* claims.record: attempts, lease, in_flight, in one transaction; then who is admitted may leave. */
inline record() {
    count = 0;
    i = 0;
    do
    :: i < N ->
        if
        :: sent[i] -> settled[i] = true; sent[i] = false
        :: else
        fi;
        in_flight[i] = admitted[i];
        if
        :: admitted[i] -> count++
        :: else
        fi;
        i++
    :: i >= N -> break
    od;
    i = 0;
    do
    :: i < N && MAY_GO && waiting[i] && count < WINDOW ->
        waiting[i] = false; admitted[i] = true; in_flight[i] = true; count++; i++
    :: i < N && !(MAY_GO && waiting[i] && count < WINDOW) -> i++
    :: i >= N -> break
    od;
    assert(count <= WINDOW);
    lease = true
}

proctype Worker(byte me) {
    byte mine, i, count, left;
    bool waiting[N], admitted[N], sent[N];
idle:
    do
    :: state == done -> goto over
    :: atomic { MAY_GO && (state == ready || (state == claimed && !lease)) ->
           if
           :: state == claimed -> mark_uncertain()
           :: else
           fi;
           state = claimed; epoch++; mine = epoch; owner = me; lease = true;
           i = 0;
           do
           :: i < N -> waiting[i] = !settled[i]; admitted[i] = false; sent[i] = false; i++
           :: i >= N -> break
           od;
           break }
    od;
work:
    do
    :: atomic { crashes < CRASHES ->
           crashes++; forget();
           if
           :: owner == me -> owner = 0
           :: else
           fi;
           goto idle }
    :: atomic { !MINE -> forget(); goto idle }                    /* LeaseLost */
    :: atomic { MINE && (sent[0] || sent[1] || sent[2] ||
                (MAY_GO && (waiting[0] || waiting[1] || waiting[2]) &&
                 admitted[0] + admitted[1] + admitted[2] < WINDOW)) -> record() }
    :: atomic { admitted[0] -> admitted[0] = false; sent[0] = true; assert(!cancelled[0]); copies[0]++;
                assert(copies[0] <= 1 + uncertain[0]) }
    :: atomic { admitted[1] -> admitted[1] = false; sent[1] = true; assert(!cancelled[1]); copies[1]++;
                assert(copies[1] <= 1 + uncertain[1]) }
    :: atomic { admitted[2] -> admitted[2] = false; sent[2] = true; assert(!cancelled[2]); copies[2]++;
                assert(copies[2] <= 1 + uncertain[2]) }
    :: atomic { MINE && !(admitted[0] || admitted[1] || admitted[2] || sent[0] || sent[1] || sent[2]) &&
                (!MAY_GO || !(waiting[0] || waiting[1] || waiting[2])) ->  /* claims.release */
           left = 0; i = 0;
           do
           :: i < N -> left = left + (settled[i] -> 0 : 1); i++
           :: i >= N -> break
           od;
           if
           :: left == 0 -> state = done
           :: else -> state = ready
           fi;
           owner = 0; lease = false;
           goto idle }
    od;
over:
    skip
}

/* A lease ends when its worker died; and now and then although it lives, and only sleeps. */
proctype Clock() {
    do
    :: state == done -> break
    :: atomic { state == claimed && lease && owner == 0 -> lease = false }
    :: atomic { state == claimed && lease && owner != 0 && naps < NAPS -> naps++; lease = false }
    od
}

proctype Person() {
    if
    :: skip
    :: paused = true; paused = false
    :: stopped = true
    :: paused = true; stopped = true
    fi
}

/* completion._stop */
proctype Settle() {
    byte i;
    do
    :: state == done -> break
    :: atomic { stopped && (state == ready || (state == claimed && !lease)) ->
           mark_uncertain();
           i = 0;
           do
           :: i < N -> cancelled[i] = !settled[i] && uncertain[i] == 0; i++
           :: i >= N -> break
           od;
           epoch++; state = done;
           break }
    od
}

/* At the end everybody got it, or the stop came before, or nobody knows and that is written down. */
proctype Book() {
    byte i;
    atomic { state == done ->
        i = 0;
        do
        :: i < N -> assert(settled[i] || (stopped && (cancelled[i] || uncertain[i] > 0)));
                    assert(!settled[i] || copies[i] >= 1);
                    i++
        :: i >= N -> break
        od }
}

init {
    atomic { run Worker(1); run Worker(2); run Clock(); run Person(); run Settle(); run Book() }
}

ltl ends { <> (state == done) }
