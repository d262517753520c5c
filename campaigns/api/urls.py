from django.urls import path

from campaigns.api import executions, simulations, status

app_name = "api"
urlpatterns = [
    path("im/executions/unitary", executions.Unitary.as_view(), name="unitary"),
    path("im/executions/highthroughput", executions.HighThroughput.as_view(), name="high_throughput"),
    path("im/executions/audience", executions.ToAudience.as_view(), name="to_audience"),
    path("im/executions/audience/<uuid:pk>", status.OneRun.as_view(), name="audience_execution"),
    path("im/executions/schedules/<uuid:pk>", status.OneSchedule.as_view(), name="schedule"),
    path("im/executions/<uuid:pk>", status.OneExecution.as_view(), name="execution"),
    path("im/messages/<str:key>", status.OneMessage.as_view(), name="message"),
    path("simulations/campaigns/<int:pk>/previews", simulations.Previews.as_view(), name="previews"),
    path("simulations/campaigns/<int:pk>/proofs", simulations.ProofJobs.as_view(), name="proof_jobs"),
    path(
        "simulations/campaigns/<int:pk>/proofs/<str:job>", simulations.OneProofJob.as_view(), name="proof_job"
    ),
    path("im/health", executions.Health.as_view(), name="health"),
]
