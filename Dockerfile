# docker build .                                  the worker
# docker build --target local .                   every command: demo, simulator, bootstrap, publish, the AWS emulator
# docker build --build-arg PYTHON_IMAGE="$(tools/base-image --resolve)" .    with the base pinned, as a release is built
ARG PYTHON_IMAGE=python:3.13-slim

# hadolint ignore=DL3006 -- the ARG has the tag
FROM ${PYTHON_IMAGE} AS wheel
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements/build.lock requirements/
RUN python -m pip install --quiet --require-hashes -r requirements/build.lock
COPY pyproject.toml README.md LICENSE ./
COPY deploy/state_machine.asl.json deploy/
COPY worker worker
RUN python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels .

# An environment without pip of its own, and nothing compiled here: every dependency has a wheel.
# hadolint ignore=DL3006
FROM ${PYTHON_IMAGE} AS dependencies
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv --without-pip /opt/interaction-worker
COPY requirements/production.lock /tmp/
RUN python -m pip --python /opt/interaction-worker/bin/python install --quiet --require-hashes --only-binary :all: -r /tmp/production.lock
COPY --from=wheel /wheels /wheels
RUN python -m pip --python /opt/interaction-worker/bin/python install --quiet --no-deps /wheels/*.whl \
 && rm -r /opt/interaction-worker/lib/python3*/site-packages/worker/local

# hadolint ignore=DL3006
FROM ${PYTHON_IMAGE} AS local-dependencies
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv --without-pip /opt/interaction-worker
COPY requirements/local.lock /tmp/
RUN python -m pip --python /opt/interaction-worker/bin/python install --quiet --require-hashes --only-binary :all: -r /tmp/local.lock
COPY --from=wheel /wheels /wheels
RUN python -m pip --python /opt/interaction-worker/bin/python install --quiet --no-deps /wheels/*.whl

# hadolint ignore=DL3006
FROM ${PYTHON_IMAGE} AS base
ARG PYTHON_IMAGE
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="interaction-worker" \
      org.opencontainers.image.description="Turns Genesys Cloud interaction events into stored records" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Bytecode is compiled when the packages are installed; the root file system may be read-only. A module that lies in the
# working directory is not imported.
ENV PATH=/opt/interaction-worker/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1
WORKDIR /
USER 65532:65532
ENTRYPOINT ["python", "-m", "worker"]

FROM base AS local
COPY --from=local-dependencies /opt/interaction-worker /opt/interaction-worker

# The last one is the default.
FROM base AS production
COPY --from=dependencies /opt/interaction-worker /opt/interaction-worker
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=10s --start-period=30s --retries=4 CMD ["python", "-m", "worker.healthcheck"]
