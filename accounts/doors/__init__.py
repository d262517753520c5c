"""What the doors of every app share: who calls and where they stand, and the doors of sharing an object."""
