# InterSystems IRIS with the product inside, and (target serving) the gateway without IRIS.
# docs/deployment.md, docs/decisions/0017 and 0025.
# Both images must hold the same minor version of Python: what the first builds, the second runs.
ARG IRIS_IMAGE=intersystems/iris-community:2026.1
ARG PYTHON_IMAGE=python:3.12.11-slim-bookworm

# ---- the packages, by hash, and the product's wheel ----
FROM ${PYTHON_IMAGE} AS packages
ARG PIP_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY deploy/wheelhouse/ /wheelhouse/
# With wheels in the wheelhouse no index is asked: a rebuild without network.
RUN if ls /wheelhouse/*.whl > /dev/null 2>&1; then \
        printf '[global]\nno-index = true\nfind-links = /wheelhouse\n' > /etc/pip.conf; \
    fi
COPY requirements-runtime.lock deploy/build.lock ./
RUN python -m venv /venv \
 && /venv/bin/pip install --require-hashes --only-binary=:all: -r requirements-runtime.lock
# Two packages bring a module iris, and the one written last wins: it must be the wrapper's, over
# the driver's files, which both need.
RUN awk '/^iris-embedded-python-wrapper==/ {found = 1} found {print} found && !/\\$/ {exit}' \
        requirements-runtime.lock > wrapper.lock \
 && /venv/bin/pip install --require-hashes --no-deps --force-reinstall -r wrapper.lock
RUN python -m venv /builder \
 && /builder/bin/pip install --require-hashes --only-binary=:all: -r build.lock
COPY pyproject.toml README.md LICENSE ./
COPY src/python/iris_ct src/python/iris_ct
RUN /builder/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
 && /venv/bin/pip install --no-deps --no-index /dist/iris_ct-*.whl \
 && /venv/bin/python -c "import iris; assert hasattr(iris, 'runtime'), iris.__file__" \
 && /venv/bin/pip check \
 && /venv/bin/ct --version \
 && /venv/bin/pip uninstall --yes pip
# Commands for the other image's interpreter.
RUN mkdir /commands \
 && for command in ct iop mlflow; do \
        sed '1s|.*|#!/usr/bin/python3|' "/venv/bin/$command" > "/commands/$command" || exit 1; \
    done

# ---- Python and what LightGBM needs of the system, for IRIS' user ----
FROM ${PYTHON_IMAGE} AS runtime
# Asked for first, as below: an image that has it needs no network here.
# hadolint ignore=DL3008
RUN ldconfig -p > /tmp/libraries \
 && if ! grep -q 'libgomp\.so\.1' /tmp/libraries; then \
        apt-get update \
     && apt-get install --yes --no-install-recommends libgomp1 \
     && rm -rf /var/lib/apt/lists/*; \
    fi \
 && rm /tmp/libraries
RUN getent passwd 51773 \
 || { groupadd --gid 51773 ct && useradd --uid 51773 --gid 51773 --create-home ct; }

# ---- the gateway: it shares files with IRIS, and with nothing else its user ----
FROM runtime AS serving
COPY --from=packages /venv/ /venv/
COPY deploy/serving/health.py /opt/ct/
ENV PATH=/venv/bin:$PATH \
    TZ=UTC \
    CT_HOME=/dur \
    CT_MODELS=/dur/models \
    CT_SERVE_HOST=0.0.0.0 \
    CT_SERVE_PORT=8080
USER 51773
WORKDIR /home/ct
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --retries=6 CMD ["python", "/opt/ct/health.py"]
ENTRYPOINT ["ct"]
CMD ["serve"]

# ---- IRIS and what LightGBM and embedded Python need of the system ----
FROM ${IRIS_IMAGE} AS system
# The last stage gives it up again.
# hadolint ignore=DL3002
USER 0
# Both are asked for first: an image that has them needs no network here (docs/deployment.md).
# hadolint ignore=DL3008
RUN ldconfig -p > /tmp/libraries \
 && if ! grep -q 'libpython3\.12\.so\.1\.0' /tmp/libraries || ! grep -q 'libgomp\.so\.1' /tmp/libraries; then \
        apt-get update \
     && apt-get install --yes --no-install-recommends libpython3.12t64 libgomp1 \
     && rm -rf /var/lib/apt/lists/*; \
    fi \
 && rm /tmp/libraries
# One place whatever the processor: merge.cpf names it.
RUN library=$(find /usr/lib /usr/local/lib -name libpython3.12.so.1.0 -print -quit) \
 && test -n "$library" \
 && mkdir -p /opt/ct/lib \
 && ln -sf "$library" /opt/ct/lib/libpython3.12.so.1.0
RUN python3 -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' \
 || { echo "The Python of IRIS_IMAGE is $(python3 --version), PYTHON_IMAGE is made for 3.12."; exit 1; }

# ---- both together ----
FROM system
# An older module iris of the image itself would mix with ours.
RUN rm -rf /usr/irissys/mgr/python/iris /usr/irissys/mgr/python/intersystems_irispython-*
COPY --from=packages --chown=51773:51773 /venv/lib/python3.12/site-packages/ /usr/irissys/mgr/python/
COPY --from=packages --chmod=0755 /commands/ /opt/ct/bin/
COPY merge.cpf /opt/ct/
COPY src/cls/ /opt/ct/cls/
COPY src/python/settings.py /opt/ct/python/
COPY deploy/default-settings/ /opt/ct/default-settings/
COPY --chmod=0755 iris_autoconf.sh deploy/iris/entrypoint.sh deploy/iris/after.sh deploy/iris/health.sh \
    /opt/ct/
# A checkout on Windows may have brought other line ends, which neither shell nor IRIS takes.
RUN sed -i 's/\r$//' /opt/ct/merge.cpf /opt/ct/*.sh /opt/ct/python/settings.py

ENV PATH=/opt/ct/bin:/usr/irissys/bin:$PATH \
    LD_LIBRARY_PATH=/usr/irissys/bin${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} \
    PYTHONPATH=/usr/irissys/mgr/python \
    TZ=UTC \
    ISC_DATA_DIRECTORY=/dur/iconfig \
    ISC_CPF_MERGE_FILE=/opt/ct/merge.cpf \
    IRIS_NAMESPACE=IRISAPP \
    IRISNAMESPACE=IRISAPP \
    CT_HOME=/dur \
    CT_MODELS=/dur/models \
    CT_STORE_URL=iris+emb:///IRISAPP \
    CT_PYTHON=/usr/bin/python3 \
    CT_PROCESSES=0

USER 51773
WORKDIR /home/irisowner
HEALTHCHECK --interval=30s --timeout=25s --start-period=20m --retries=4 CMD ["/opt/ct/health.sh"]
ENTRYPOINT ["/tini", "--", "/opt/ct/entrypoint.sh"]
CMD ["--check-caps", "false", "--after", "/opt/ct/after.sh"]
