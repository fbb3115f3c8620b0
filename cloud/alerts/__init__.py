"""Who is told of what, when, and until when: on-call rota, escalation, quiet hours, digests."""
