"""The interface described by what answers it: OpenAPI 3.1 at /openapi.json."""
