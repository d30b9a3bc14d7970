"""When triggers are due, and what a due time means. Pure: facts in, decisions out."""
