# A robot: it meets the orchestrator over HTTP alone, and keeps its identity and what it has in hand in a volume.
#   docker build --file docker/Dockerfile.robot --tag bv-robot .

FROM python:3.13.9-slim-trixie AS build
ENV PYTHONDONTWRITEBYTECODE=1
COPY docker/robot-requirements.txt /build/requirements.txt
RUN python -m venv /opt/bv-robot \
    && /opt/bv-robot/bin/pip install --no-cache-dir --require-hashes --requirement /build/requirements.txt
COPY robot /build/robot
# The program itself comes from here, and what builds it is locked like everything else.
RUN /opt/bv-robot/bin/pip install --no-cache-dir --no-deps --no-build-isolation /build/robot \
    && /opt/bv-robot/bin/pip uninstall --yes setuptools \
    && /opt/bv-robot/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/bv-robot

FROM python:3.13.9-slim-trixie
LABEL org.opencontainers.image.title="bv-robot" \
      org.opencontainers.image.description="The robot of BV Orchestrator."

RUN groupadd --system --gid 10002 robot \
    && useradd --system --uid 10002 --gid robot --home-dir /var/lib/bv-robot --shell /usr/sbin/nologin robot \
    && install --directory --owner robot --group robot --mode 0700 /var/lib/bv-robot

COPY --from=build /opt/bv-robot /opt/bv-robot
ENV PATH=/opt/bv-robot/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    BV_ROBOT_HOME=/var/lib/bv-robot/home \
    UV_CACHE_DIR=/var/lib/bv-robot/uv

VOLUME /var/lib/bv-robot
WORKDIR /var/lib/bv-robot
USER 10002:10002
ENTRYPOINT ["bv-robot"]
CMD ["run"]
