# One image for every agent; the command says which one it is:
#   docker run quintet python -m services.recommendation.server
# It has Python, the pinned dependencies and Quintet, and runs as a user without rights.
# docs/security.md tells how to renew the digest of the base.
ARG BASE=python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

FROM ${BASE} AS build
# To build without a package index, fill deploy/wheels (docs/containers.md) and pass --build-arg PIP_NO_INDEX=true.
ARG PIP_NO_INDEX=false
ENV PIP_NO_CACHE_DIR=true PIP_DISABLE_PIP_VERSION_CHECK=true PIP_FIND_LINKS=/wheels
WORKDIR /source
RUN python3 -m venv /opt/tools && python3 -m venv --without-pip /opt/quintet
COPY requirements/build.lock requirements/runtime.lock requirements/
RUN --mount=type=bind,source=deploy/wheels,target=/wheels \
    /opt/tools/bin/pip install --require-hashes -r requirements/build.lock \
    && /opt/tools/bin/pip --python /opt/quintet/bin/python install --require-hashes -r requirements/runtime.lock \
    && find /opt/quintet -type d \( -name tests -o -name include \) -prune -exec rm -r {} +
COPY pyproject.toml README.md LICENSE ./
COPY shared shared
COPY services services
COPY cli cli
RUN /opt/tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /source/dist . \
    && /opt/tools/bin/pip --python /opt/quintet/bin/python install --no-deps --no-index dist/*.whl

FROM ${BASE}
# LightGBM, the learned hybrid, needs the OpenMP runtime.
# hadolint ignore=DL3008
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin quintet \
    && install --directory --owner quintet --group quintet --mode 0700 /data /secrets
COPY --from=build /opt/quintet /opt/quintet
COPY deploy/entrypoint.sh /opt/quintet/bin/entrypoint.sh
ENV PATH=/opt/quintet/bin:$PATH \
    OPENBLAS_NUM_THREADS=1 \
    NUMBA_CACHE_DIR=/data/numba \
    QUINTET_BIND_HOST=0.0.0.0
# The loops are compiled here, where their sources get the times by which they are known: else each new volume would wait
# a minute or two at its first training and its first answers.
RUN NUMBA_CACHE_DIR=/opt/quintet/compiled python -m services.recommendation.compile_ahead \
    && cat /proc/sys/kernel/random/uuid > /opt/quintet/compiled/id
USER 10001:10001
WORKDIR /data
ENTRYPOINT ["entrypoint.sh"]
CMD ["quintet", "--help"]
