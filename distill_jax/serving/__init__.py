"""The service: packed students that answer over HTTP, as a bare ASGI application under uvicorn."""
