"""What every API view shares: strict input, one shape of refusal, pages, filters, routes and the schema."""
