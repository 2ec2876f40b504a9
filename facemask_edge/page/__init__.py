"""The page: what the cameras see, today's violations, health, and what can be set."""
