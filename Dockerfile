# One file for both kinds of machine; docs/docker.md says how to build and run it, and what of it was tried.
#   CPU:   docker build -t equinoise .
#   CUDA:  docker build -t equinoise:cuda --build-arg BASE=nvidia/cuda:12.8.1-base-ubuntu24.04 .
ARG BASE=python:3.12-slim
FROM ${BASE}

# which of the package's extras are installed, and where pip looks beside its default index (for CPU-only torch)
ARG EXTRAS=faces
ARG EXTRA_INDEX=

# the CUDA base has no Python; versions of system packages are those of whichever base was chosen
# hadolint ignore=DL3008
RUN if ! python3 -c "import ensurepip" 2>/dev/null; then \
      apt-get update && apt-get install --yes --no-install-recommends python3 python3-venv \
      && rm -rf /var/lib/apt/lists/*; \
    fi \
    && useradd --create-home --uid 10001 equinoise

WORKDIR /opt/equinoise
COPY constraints.txt pyproject.toml README.md LICENSE NOTICE ./
COPY src ./src
RUN python3 -m venv .venv \
    && .venv/bin/python -m pip install --no-cache-dir --constraint constraints.txt \
       ${EXTRA_INDEX:+--extra-index-url "${EXTRA_INDEX}"} ".${EXTRAS:+[${EXTRAS}]}"

# as in the Makefile: threads beside threads are slow (and a tokenizer's token is no secret)
# hadolint ignore=DL3064
ENV PATH=/opt/equinoise/.venv/bin:$PATH \
    OMP_NUM_THREADS=1 \
    OMP_WAIT_POLICY=passive \
    TOKENIZERS_PARALLELISM=false

USER 10001
WORKDIR /work
ENTRYPOINT ["equinoise"]
CMD ["--help"]
