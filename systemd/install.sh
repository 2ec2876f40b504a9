#!/usr/bin/env bash
# Installs facemask-edge as a service, or upgrades it; what was there comes back when the new version does not start.
#
#   sudo ./systemd/install.sh [--camera SOURCE] [--server URL] [--username NAME [--password-file FILE]] [--name DEVICE]
#
# The options go into a new configuration; one that is there stays as it is. Without --server it looks for a broker on
# this computer and at homeassistant.local. Where a folder "wheels" lies beside systemd/, as in a release archive,
# nothing is downloaded.
#
# Ends with 0; 64 wrong usage; 69 this computer cannot run it; 70 it does not start; 78 the configuration is wrong.
set -euo pipefail

source_folder=$(cd "$(dirname "$0")/.." && pwd)
program=/opt/facemask-edge
settings=/etc/facemask-edge
unit=/etc/systemd/system/facemask-edge.service
command=/usr/local/bin/facemask-edge
user=facemask-edge
# Kilobytes that one version takes, with room for the next one beside it.
least_room=1500000
# Seconds that a new version has to run without a restart before it is believed.
probation=10

camera='' server='' username='' password_file='' name=''

main() {
  read_options "$@"
  check_machine
  check_camera
  check_coral
  make_version
  make_user
  make_settings
  switch_to "$version"
  if comes_up; then
    remove_old_versions
    report
  else
    fall_back
  fi
}

say() { printf '\033[32m✓\033[0m %s\n' "$*"; }
note() { printf '\033[33m•\033[0m %s\n' "$*"; }
fail() {
  local code=$1
  shift
  printf '\033[31m✗\033[0m %s\n' "$*" >&2
  exit "$code"
}

read_options() {
  while [ $# -gt 0 ]; do
    case $1 in
      --camera | --server | --username | --password-file | --name)
        [ $# -ge 2 ] || fail 64 "$1 needs a value."
        case $1 in
          --camera) camera=$2 ;;
          --server) server=$2 ;;
          --username) username=$2 ;;
          --password-file) password_file=$2 ;;
          --name) name=$2 ;;
        esac
        shift 2
        ;;
      --help | -h)
        sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"
        exit 0
        ;;
      *) fail 64 "$1 is no option of this script; see --help." ;;
    esac
  done
  [ -z "$password_file" ] || [ -n "$username" ] || fail 64 "--password-file needs --username."
  [ -z "$password_file" ] || [ -r "$password_file" ] || fail 64 "$password_file cannot be read."
}

check_machine() {
  [ "$(id -u)" = 0 ] || fail 64 "This needs root: sudo $0"
  [ -d /run/systemd/system ] || fail 69 "This computer does not run systemd, which starts and watches the daemon."
  case $(uname -m)-$(getconf LONG_BIT) in
    aarch64-64 | x86_64-64) ;;
    *) fail 69 "This system is not 64-bit ($(uname -m), $(getconf LONG_BIT)-bit programs); install the 64-bit Raspberry Pi OS." ;;
  esac
  command -v python3 >/dev/null || fail 69 "Python is not installed: apt install python3 python3-venv"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail 69 "$(python3 --version) is too old, 3.11 is needed: install Raspberry Pi OS Bookworm or Trixie."
  if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    note "python3-venv is missing and is installed now."
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv; } >/dev/null ||
      fail 69 "python3-venv cannot be installed; connect to the Internet once, or: apt install python3-venv"
  fi
  local room
  room=$(df --output=avail -k /opt | tail -1)
  [ "$room" -ge "$least_room" ] ||
    fail 69 "Only $((room / 1000)) MB are free at /opt, $((least_room / 1000)) are needed; delete what is not needed."
  say "$(model), $(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release), $(python3 --version), $((room / 1000000)) GB free."
}

model() { { tr -d "\0" </proc/device-tree/model; } 2>/dev/null || uname -m; }

# Sets found_camera to the name that stays the same, where there is one.
check_camera() {
  local device
  found_camera=''
  for device in /dev/v4l/by-id/*-video-index0; do
    [ -e "$device" ] || continue
    found_camera=${found_camera:-$device}
    say "Camera: $device"
  done
  [ -n "$found_camera$camera" ] || note "No USB camera is plugged in."
}

check_coral() {
  local device identity
  for device in /sys/bus/usb/devices/*/; do
    [ -r "${device}idVendor" ] || continue
    identity=$(cat "${device}idVendor" "${device}idProduct" | paste -sd:)
    # Before and after its first use.
    case $identity in 1a6e:089a | 18d1:9302) say "Coral USB accelerator: $device" ;; esac
  done
  for device in /dev/apex_*; do
    [ ! -e "$device" ] || say "Coral PCIe accelerator: $device"
  done
}

# Sets version to a folder with the new version, complete but not used yet.
make_version() {
  local wheels=$source_folder/wheels options=() wanted
  previous=$(readlink "$program/current" || true)
  mkdir -p "$program/versions"
  # What an interrupted installation left behind.
  for folder in "$program"/versions/*/; do
    [ ! -d "$folder" ] || [ "${folder%/}" = "$previous" ] || rm -rf "$folder"
  done
  version=$program/versions/$(date -u +%Y%m%d-%H%M%S)-$$
  # apt's picamera2 and libcamera are used where they are.
  python3 -m venv --system-site-packages "$version"
  if python3 -c 'import sys; sys.exit(sys.version_info >= (3, 12))'; then
    # Bookworm's picamera2 is compiled for numpy 1, and OpenCV from 4.12 on wants numpy 2.
    printf 'numpy<2\nopencv-python-headless<4.12\n' >"$version/constraints.txt"
    options+=(--constraint "$version/constraints.txt")
  fi
  if [ -d "$wheels" ]; then
    (cd "$source_folder" && sha256sum --quiet --check SHA256SUMS) ||
      fail 69 "The archive is damaged: unpack it again, or copy it again."
    options+=(--no-index --find-links "$wheels")
    wanted=facemask-edge
  else
    wanted=$source_folder
  fi
  note "Installing into $version; on a Pi this takes a few minutes."
  "$version/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "${options[@]}" "$wanted" || {
    rm -rf "$version"
    fail 69 "It cannot be installed; the lines above say why. Nothing was changed."
  }
  install -m 644 "$source_folder/systemd/facemask-edge.service" "$version/facemask-edge.service"
  install -m 755 "$source_folder/systemd/facemask-edge" "$version/facemask-edge"
  say "Version $("$version/bin/facemask-edge" --version) is installed."
}

make_user() {
  local group
  getent passwd "$user" >/dev/null ||
    useradd --system --user-group --home-dir /var/lib/facemask-edge --shell /usr/sbin/nologin "$user"
  # Cameras, the Coral's two kinds, and what the Pi's camera needs.
  for group in video plugdev apex render; do
    ! getent group "$group" >/dev/null || usermod --append --groups "$group" "$user"
  done
}

make_settings() {
  # What is put there later can be read by the daemon, too.
  install -d -m 2750 -o root -g "$user" "$settings"
  if [ -n "$username" ]; then
    make_secret mqtt_username "$username"
    [ -z "$password_file" ] || make_secret mqtt_password "$(head -n 1 "$password_file")"
  fi
  if [ -e "$settings/config.yaml" ]; then
    say "$settings/config.yaml stays as it is."
  else
    find_server
    write_config
    say "$settings/config.yaml is made: camera ${camera:-0}, broker $server."
  fi
  local fault
  fault=$("$version/bin/facemask-edge" config --config "$settings/config.yaml" 2>&1 >/dev/null) || {
    rm -rf "$version"
    fail 78 "The configuration does not fit this version; correct it and run this again. $fault"
  }
}

make_secret() {
  install -m 640 -o root -g "$user" /dev/null "$settings/$1"
  printf '%s\n' "$2" >"$settings/$1"
}

find_server() {
  local host
  camera=${camera:-$found_camera}
  [ -z "$server" ] || return 0
  for host in localhost homeassistant.local; do
    if timeout 3 bash -c "exec 3<>/dev/tcp/$host/1883" 2>/dev/null; then
      server=mqtt://$host:1883
      say "Broker: $server"
      return 0
    fi
  done
  if [ -t 0 ]; then
    read -rp "Address of the MQTT broker, such as mqtt://192.168.1.10: " server
  fi
  server=${server:-mqtt://localhost:1883}
}

write_config() {
  local new=$settings/config.yaml.new
  "$version/bin/python" - "$camera" "$server" "$name" >"$new" <<'END'
import json
import sys

import facemask_edge
from pathlib import Path

camera, server, name = sys.argv[1:]
package = Path(facemask_edge.__file__).parent
text = (package / "config.yaml").read_text()
for default, value in (
    ('source: "0"', camera and f"source: {json.dumps(camera)}"),
    ('servers: ["mqtt://localhost:1883"]', f"servers: [{json.dumps(server)}]"),
    ("name: null", name and f"name: {json.dumps(name)}"),
):
    assert default in text, default
    text = text.replace(default, value, 1) if value else text
print(text, end="")
END
  chown "root:$user" "$new"
  chmod 640 "$new"
  mv "$new" "$settings/config.yaml"
}

# Lets a version be the one that runs; in one step, so that a power cut leaves either.
switch_to() {
  ln -sfn "$1" "$program/current.new"
  mv -T "$program/current.new" "$program/current"
  install -m 644 "$1/facemask-edge.service" "$unit"
  ln -sfn "$program/current/facemask-edge" "$command"
  systemctl daemon-reload
}

# Whether the service is ready, and stays so for a while.
comes_up() {
  local restarts
  systemctl enable --quiet facemask-edge.service
  systemctl restart facemask-edge.service || return 1
  restarts=$(systemctl show --property NRestarts --value facemask-edge.service)
  for _ in $(seq "$probation"); do
    sleep 1
    systemctl is-active --quiet facemask-edge.service || return 1
    [ "$(systemctl show --property NRestarts --value facemask-edge.service)" = "$restarts" ] || return 1
  done
}

fall_back() {
  journalctl --unit facemask-edge.service --lines 15 --no-pager --output cat || true
  if [ -z "$previous" ]; then
    systemctl disable --quiet --now facemask-edge.service
    fail 70 "The service does not start; the lines above say why. It is installed, but switched off."
  fi
  switch_to "$previous"
  rm -rf "$version"
  comes_up || fail 70 "Neither the new version nor the one before starts; the lines above say why."
  fail 70 "The new version does not start; the lines above say why. The one before runs again."
}

remove_old_versions() {
  local folder
  for folder in "$program"/versions/*/; do
    [ "${folder%/}" = "$version" ] || rm -rf "$folder"
  done
}

report() {
  say "The service runs, and starts by itself from now on."
  systemctl status facemask-edge.service --no-pager --lines 5 || true
  echo
  "$command" check || true
  cat <<END

  facemask-edge check                     how everything is
  journalctl -u facemask-edge -f          what it does
  sudo nano $settings/config.yaml    the settings; then: sudo systemctl restart facemask-edge
END
}

main "$@"
