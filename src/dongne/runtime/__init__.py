"""What a service is, and how it runs: live, in replay, and by parts."""
