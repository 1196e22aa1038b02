# The service in a container, without root. From the repository's root, with a packed student beside you:
#   docker build -f docker/serve.Dockerfile -t distill-serve .
#   docker run --rm --read-only -p 8000:8000 -v "$PWD/student.djx:/models/student.djx:ro" distill-serve
FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY distill_jax distill_jax
COPY teacher_export teacher_export
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir -c constraints.txt ".[serve]" \
    && /venv/bin/pip uninstall --yes pip

FROM python:3.13-slim
RUN useradd --system --no-create-home --uid 10001 serve
COPY --from=build /venv /venv
USER 10001
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=3s CMD ["/venv/bin/python", "-c", \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/venv/bin/python", "-m", "distill_jax.serve"]
CMD ["/models/student.djx", "--host", "0.0.0.0", "--drain-seconds", "5"]
