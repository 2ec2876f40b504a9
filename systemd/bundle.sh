#!/usr/bin/env bash
# Makes release archives that install without a network: this project with its models, and the wheels of all it needs.
#
#   systemd/bundle.sh FOLDER [ARCHITECTURE [PYTHON...]]        by default aarch64, and Python 3.11 and 3.13
#
# Leaves FOLDER/facemask-edge-VERSION-ARCHITECTURE.tar.gz; what is in it is listed in its SHA256SUMS. PIP names the pip
# that is used.
set -euo pipefail

source_folder=$(cd "$(dirname "$0")/.." && pwd)
output=${1:?name a folder for the archive}
architecture=${2:-aarch64}
pythons=("${@:3}")
[ ${#pythons[@]} -gt 0 ] || pythons=(3.11 3.13)
pip=${PIP:-python3 -m pip}

mkdir -p "$output"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
$pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$work/wheels" "$source_folder"
own=$(ls "$work/wheels")
version=$(cut -d- -f2 <<<"$own")

# Of the oldest system, Bookworm: its glibc is 2.36.
platforms=()
for minor in $(seq 17 36); do
  platforms+=(--platform "manylinux_2_${minor}_$architecture")
done
platforms+=(--platform "manylinux2014_$architecture" --platform "linux_$architecture")
for python in "${pythons[@]}"; do
  constraints=$source_folder/systemd/constraints-$python.txt
  options=()
  [ ! -e "$constraints" ] || options+=(--constraint "$constraints")
  tag=cp${python/./}
  $pip download --quiet --disable-pip-version-check --dest "$work/wheels" --only-binary=:all: \
    "${platforms[@]}" --python-version "$python" --implementation cp --abi "$tag" --abi abi3 --abi none \
    "${options[@]}" "$work/wheels/${own}[fleet]"
done

name=facemask-edge-$version
mkdir "$work/$name"
mv "$work/wheels" "$work/$name/wheels"
# The installer, and the README with what it links to.
(cd "$source_folder" && cp -r --parents systemd docs README.md SECURITY.md models/MODEL_CARD.md LICENSE NOTICE "$work/$name/")
(cd "$work/$name" && find . -type f -printf '%P\n' | sort | xargs sha256sum) >"$work/SHA256SUMS"
mv "$work/SHA256SUMS" "$work/$name/SHA256SUMS"
tar -C "$work" --owner=0 --group=0 --numeric-owner -czf "$output/$name-$architecture.tar.gz" "$name"
echo "$output/$name-$architecture.tar.gz"
