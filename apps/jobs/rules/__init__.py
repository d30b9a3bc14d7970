"""Pure rules about jobs: who may take which, and what a finish report means."""
