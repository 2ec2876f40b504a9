#!/usr/bin/env bash
# Installs facemask-edge as a service, or upgrades it; what was there comes back when the new version does not run.
#
#   sudo ./systemd/install.sh [--camera SOURCE] [--server URL] [--username NAME [--password-file FILE]] [--name DEVICE]
#
# Camera, server and name go into a new configuration; one that is there stays as it is. Without --server it looks for a
# broker on this computer and at homeassistant.local. Where a folder "wheels" lies beside systemd/, as in a release
# archive, nothing is downloaded.
#
#   sudo ./systemd/install.sh --image
#
# Prepares a card that others are copied from, also in a chroot: no camera is looked for, no configuration is written and
# nothing is started; each copy finds at its first boot what was left for it on its boot partition (docs/fleet.md).
#
# Ends with 0; 64 wrong usage; 69 this computer cannot run it; 70 it does not run; 78 the configuration is wrong; 130
# interrupted.
set -Eeuo pipefail
# The daemon's user has to read what is made here.
umask 022
# Who became root by su may not have them.
PATH=$PATH:/usr/sbin:/sbin
# Where pip unpacks; /tmp may be memory.
export TMPDIR=/var/tmp

source_folder=$(cd "$(dirname "$0")/.." && pwd)
wheels=$source_folder/wheels
program=/opt/facemask-edge
settings=/etc/facemask-edge
config=$settings/config.yaml
state=/var/lib/facemask-edge
rollouts=/var/lib/facemask-edge-rollouts
units=/etc/systemd/system
timer=facemask-edge-rollout.timer
enabled=(facemask-edge.service facemask-edge-first-boot.service facemask-edge-rollout-boot.service "$timer")
unit_files=("${enabled[@]}" facemask-edge-rollout.service)
command=/usr/local/bin/facemask-edge
user=facemask-edge
# The system's own: another one first in PATH does not see what apt installs.
python=/usr/bin/python3
# Kilobytes: two versions beside each other, 330,000 each, what pip downloads, and what the outbox leaves free.
least_room=900000
# Seconds that a new version has to run before it is believed, and those at the end in which it gives a sign of life.
probation=10
alive_within=5
# Seconds after which it is not waited for any more, however often it was started again.
longest=600
# Deaths that are no fault of a version: an Edge TPU's library may end the program, which then starts on the CPU.
tolerated=4

camera='' server='' username='' password_file='' password='' name='' image=no
# A version that is made and not used yet.
pending=''

main() {
  trap '[ "$BASH_SUBSHELL" -gt 0 ] || fail 70 "This failed: $BASH_COMMAND"' ERR
  trap 'fail 130 "Interrupted; the service was not changed."' HUP INT TERM
  read_options "$@"
  check_machine
  only_once
  check_archive
  if [ "$image" = yes ]; then
    make_image
    return 0
  fi
  check_camera
  check_coral
  if [ ! -s "$config" ]; then
    check_name
    find_server
  fi
  make_user
  make_version
  make_settings
  # All of it is on the disk before it is used: a power cut leaves either version whole.
  sync
  trap 'fall_back 130 "Interrupted." "It is installed; whether it runs: sudo facemask-edge check"' HUP INT TERM
  pending=''
  # What a fleet delivers starts the daemon again, too; a trial that is cut off goes on later.
  systemctl stop "$timer" "${timer%.timer}.service" 2>/dev/null || true
  # Neither version is to be judged by what has not proved itself.
  [ ! -e "$rollouts/trial.json" ] || "$version/bin/facemask-edge" rollout settle --config "$config" || true
  if switch_to "$version" && comes_up; then
    trap - HUP INT TERM
    systemctl start "$timer"
    point good "$version"
    rm -f "$settings"/mqtt_*.before
    sync
    # A card has little room.
    remove_versions_but "$version"
    report
  else
    journalctl --unit facemask-edge.service --lines 15 --no-pager --output short || true
    local what="The new version does not run; the lines above say why."
    case $(shown ExecMainStatus) in
      78) fall_back 78 "$what" "It is installed; once that is mended: sudo systemctl restart facemask-edge" ;;
      *) fall_back 70 "$what" "It is installed, and tried again and again." ;;
    esac
  fi
}

say() { printf '\033[32m✓\033[0m %s\n' "$*"; }
note() { printf '\033[33m•\033[0m %s\n' "$*"; }
fail() {
  local code=$1
  shift
  trap - ERR
  printf '\033[31m✗\033[0m %s\n' "$*" >&2
  [ -z "$pending" ] || rm -rf "$pending" "$config.new"
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
      --image)
        image=yes
        shift
        ;;
      --help | -h)
        sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"
        exit 0
        ;;
      *) fail 64 "$1 is no option of this script; see --help." ;;
    esac
  done
  [ "$image" = no ] || [ -z "$camera$server$username$name" ] ||
    fail 64 "--image is for what all devices have in common; camera, server, user and name come at the first boot."
  [ -z "$password_file" ] || [ -n "$username" ] || fail 64 "--password-file needs --username."
  [ -n "$password_file" ] || return 0
  password=$(head -n 1 "$password_file" 2>/dev/null) || fail 64 "$password_file cannot be read."
  [ -n "$password" ] || fail 64 "$password_file has no password in its first line."
}

check_machine() {
  [ "$(id -u)" = 0 ] || fail 64 "This needs root: sudo $0"
  [ "$image" = yes ] || [ -d /run/systemd/system ] ||
    fail 69 "This computer does not run systemd, which starts and watches the daemon."
  case $(uname -m)-$(getconf LONG_BIT) in
    aarch64-64 | x86_64-64) ;;
    *) fail 69 "This system is not 64-bit ($(uname -m), $(getconf LONG_BIT)-bit programs); install the 64-bit Raspberry Pi OS." ;;
  esac
  [ -x "$python" ] || fail 69 "Python is not installed: apt install python3 python3-venv"
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail 69 "$("$python" --version) is too old, 3.11 is needed: install Raspberry Pi OS Bookworm or Trixie."
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    note "python3-venv is missing and is installed now."
    apt_install python3-venv ||
      fail 69 "python3-venv cannot be installed; connect to the Internet once, or: apt install python3-venv"
  fi
  local room
  room=$(df --output=avail -k /opt | tail -1)
  [ "$room" -ge "$least_room" ] ||
    fail 69 "Only $((room / 1000)) MB are free at /opt, $((least_room / 1000)) are needed; delete what is not needed."
  say "$(model), $(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release), $("$python" --version), $((room / 1000000)) GB free."
}

# At the first start, others use apt, too; the option that waits for them is not for the lock of the lists.
apt_install() {
  for _ in {1..24}; do
    if apt-get update -qq; then break; fi
    sleep 5
  done >/dev/null 2>&1
  DEBIAN_FRONTEND=noninteractive apt-get install -oDPkg::Lock::Timeout=120 -y -qq --no-install-recommends "$@" >/dev/null
}

model() { { tr -d '\0' </proc/device-tree/model; } 2>/dev/null || uname -m; }

only_once() {
  exec 9>/run/facemask-edge-install.lock
  flock --nonblock 9 || fail 69 "This script runs already; wait until it has ended."
}

# Where it is a release archive.
check_archive() {
  local unlisted
  [ -d "$wheels" ] || return 0
  (cd "$source_folder" && sha256sum --quiet --check SHA256SUMS) ||
    fail 69 "The archive is damaged: unpack it again, or copy it again."
  # pip takes whatever lies there.
  unlisted=$(cd "$source_folder" && find wheels ! -type d | grep -vxFf <(cut -c 67- SHA256SUMS) | head -n 1) || true
  [ -z "$unlisted" ] || fail 69 "$unlisted is not in SHA256SUMS: unpack the archive again, into a new folder."
}

# Sets found_camera: of a USB camera to the name that stays the same, where there is one.
check_camera() {
  local device kind
  found_camera=''
  for device in /dev/v4l/by-id/*-video-index0; do
    [ -e "$device" ] || continue
    found_camera=${found_camera:-$device}
    say "Camera: $device"
  done
  # The receivers of the Pi's own connector, up to the Pi 4 and from the Pi 5 on; there with a camera only.
  kind=$(cat /sys/class/video4linux/video*/name 2>/dev/null | grep -m 1 -E '^(unicam|rp1-cfe)') || kind=''
  if [ -n "$kind" ]; then
    say "Camera: the Raspberry Pi's own"
    found_camera=${found_camera:-picamera}
  fi
  case ${camera:-$found_camera} in
    picamera*) check_picamera2 ;;
    '')
      [ -s "$config" ] ||
        note "There is no camera: plug one in, or name another with --camera or, later, as source in $config."
      ;;
  esac
}

check_picamera2() {
  ! "$python" -c 'import picamera2' 2>/dev/null || return 0
  note "python3-picamera2 is missing and is installed now."
  apt_install python3-picamera2 ||
    note "It cannot be installed; connect to the Internet once, and: apt install python3-picamera2 --no-install-recommends"
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

check_name() {
  [ -n "$name" ] || [ "$(uname -n)" != raspberrypi ] ||
    note "This Pi is called raspberrypi, as every new one: two of a name throw each other off the broker. Name it with" \
      "--name or, later, as device.name in $config."
}

make_user() {
  local group
  getent group "$user" >/dev/null || groupadd --system "$user"
  getent passwd "$user" >/dev/null ||
    useradd --system --gid "$user" --home-dir "$state" --no-create-home --shell /usr/sbin/nologin "$user"
  # Cameras, and the Coral's two kinds.
  for group in video plugdev apex; do
    ! getent group "$group" >/dev/null || usermod --append --groups "$group" "$user"
  done
}

# Runs the new version as the daemon does.
as_user() {
  env PYTHONNOUSERSITE=1 setpriv --reuid "$user" --regid "$user" --init-groups "$version/bin/facemask-edge" "$@"
}

# Sets version to a folder with the new version, complete but not used yet, and previous to the one that is known to run.
make_version() {
  local options=(--ignore-installed) constraints wanted installed
  previous=$(readlink "$program/good" || true)
  mkdir -p "$program/versions"
  remove_versions_but "$previous" "$(readlink "$program/current" || true)"
  version=$program/versions/$(date -u +%Y%m%d-%H%M%S)-$$
  pending=$version
  # apt's picamera2 and libcamera are used where they are; all else is this version's own.
  "$python" -m venv --system-site-packages "$version"
  constraints=$source_folder/systemd/constraints-$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])').txt
  [ ! -e "$constraints" ] || options+=(--constraint "$constraints")
  if [ -d "$wheels" ]; then
    options+=(--no-index --find-links "$wheels")
    wanted='facemask-edge[fleet]'
  else
    wanted="${source_folder}[fleet]"
  fi
  note "Installing into $version; on a Pi this takes a few minutes."
  # -I and no user's own packages: neither what lies in this folder nor in root's home is meant.
  PYTHONNOUSERSITE=1 "$version/bin/python" -I -m pip install --quiet --disable-pip-version-check --no-cache-dir \
    --no-input "${options[@]}" "$wanted" ||
    fail 69 "It cannot be installed; the lines above say why. Nothing was changed."
  install -m 644 "${unit_files[@]/#/$source_folder/systemd/}" "$version"
  install -m 755 "$source_folder/systemd/facemask-edge" "$version/facemask-edge"
  install -m 755 "$source_folder/systemd/uninstall.sh" "$version/uninstall.sh"
  installed=$(as_user --version) ||
    fail 70 "The new version does not start on this computer; the lines above say why. Nothing was changed."
  say "Version $installed is installed."
}

# What is put there later can be read by the daemon, too.
make_settings_folder() {
  install -d -m 2750 -o root -g "$user" "$settings" "$rollouts"
}

make_settings() {
  local made
  make_settings_folder
  # One without content is what a power cut has left.
  if [ -s "$config" ]; then
    check_config "$config"
    say "$config stays as it is."
    [ -z "$camera$server$name" ] || note "--camera, --server and --name are for a new configuration; they were not used."
  else
    write_config
    check_config "$config.new"
    sync
    mv "$config.new" "$config"
    # With all layers; and then without a password.
    check_config "$config"
    made=$(as_user config --config "$config")
    say "$config is made: camera $(sed -n 's/^  source: //p' <<<"$made"), broker $(sed -n '/^  servers:/{n;s/^  - //p}' <<<"$made")."
  fi
  [ -z "$username" ] || make_secret mqtt_username "$username"
  [ -z "$password" ] || make_secret mqtt_password "$password"
}

check_config() {
  local fault code=0
  fault=$(as_user config --config "$1" 2>&1 >/dev/null) || code=$?
  [ "$code" != 0 ] || return 0
  [ "$code" = 78 ] || fail 70 "The new version does not start on this computer. Nothing was changed. $fault"
  [ "$1" = "$config" ] || fail 64 "$fault"
  fail 78 "The configuration does not fit this version; correct it and run this again. $fault"
}

# Keeps the one before until the new version is believed; an empty one is none.
make_secret() {
  local file=$settings/$1
  [ -e "$file" ] || install -m 640 -o root -g "$user" /dev/null "$file"
  [ -e "$file.before" ] || ln "$file" "$file.before"
  install -m 640 -o root -g "$user" /dev/null "$file.new"
  printf '%s\n' "$2" >"$file.new"
  mv "$file.new" "$file"
}

restore_secrets() {
  local before
  for before in "$settings"/mqtt_*.before; do
    [ ! -e "$before" ] || mv "$before" "${before%.before}"
  done
}

find_server() {
  local host
  camera=${camera:-$found_camera}
  if [ -z "$server" ]; then
    for host in localhost homeassistant.local; do
      if timeout 3 bash -c "exec 3<>/dev/tcp/$host/1883" 2>/dev/null; then
        server=mqtt://$host:1883
        say "Broker: $server"
        return 0
      fi
    done
    if [ -t 0 ]; then
      # Ctrl-D takes the default, too, and leaves the line open.
      read -rp "Address of the MQTT broker, such as mqtt://192.168.1.10 [mqtt://localhost:1883]: " server || echo
    fi
  fi
  case $server in
    '' | *://*) ;;
    *) server=mqtt://$server ;;
  esac
}

write_config() {
  install -m 640 -o root -g "$user" /dev/null "$config.new"
  # What is not known stays a comment, so that what config.d says holds. In the environment, which others do not see.
  CAMERA=$camera SERVER=$server NAME=$name "$version/bin/python" -I - >"$config.new" <<'END'
import os

from facemask_edge.commented_config import commented_config

server = os.environ["SERVER"]
known = {
    "cameras.source": os.environ["CAMERA"],
    "mqtt.servers": [server] if server else [],
    "device.name": os.environ["NAME"],
}
print(commented_config({key: value for key, value in known.items() if value}), end="")
END
}

# Lets a symbolic link point somewhere else; in one step.
point() {
  ln -sfn "$2" "$program/$1.new" && mv -T "$program/$1.new" "$program/$1"
}

# Lets a version be the one that runs.
switch_to() {
  local file
  for file in "$1"/*.{service,timer}; do
    # A former version may have fewer.
    [ ! -e "$file" ] || { install -m 644 "$file" "$units/${file##*/}.new" && sync "$units/${file##*/}.new"; } || return 1
  done
  point current "$1" || return 1
  for file in "$1"/*.{service,timer}; do
    [ ! -e "$file" ] || mv -T "$units/${file##*/}.new" "$units/${file##*/}" || return 1
  done
  ln -sfn "$program/current/facemask-edge" "$command" || return 1
  # Where nothing runs, as in a chroot, nothing is to be told.
  [ ! -d /run/systemd/system ] || systemctl daemon-reload
}

# What devices must not have in common is not there; what else is up to who makes the image, docs/fleet.md says.
make_image() {
  local own
  for own in "$config" "$settings"/mqtt_{cert,key}.pem "$settings"/config.d/{50-rollout,90-certificate.yaml} "$state"/* "$rollouts"/*; do
    [ ! -e "$own" ] && [ ! -L "$own" ] ||
      fail 64 "$own is of one device, and no image may have it; remove it, or: sudo $program/current/uninstall.sh --purge"
  done
  make_user
  make_version
  make_settings_folder
  sync
  pending=''
  switch_to "$version"
  systemctl enable --quiet "${enabled[@]}"
  point good "$version"
  sync
  remove_versions_but "$version"
  say "The image is ready: a copy of it begins with what lies in facemask-edge on its boot partition."
}

shown() { systemctl show --property "$1" --value facemask-edge.service; }

# Whether the service is ready, stays so for a while, and gives signs of life at the end of it.
comes_up() {
  local restarts sign='' quiet=0 give_up=$((SECONDS + longest))
  systemctl enable --quiet "${enabled[@]}" || return 1
  # Restarts are counted from now on.
  systemctl reset-failed facemask-edge.service 2>/dev/null || true
  systemctl restart facemask-edge.service || [ -e "$state/edge-tpu-deaths" ] || return 1
  restarts=$(shown NRestarts)
  while [ "$quiet" -lt "$probation" ]; do
    [ "$SECONDS" -lt "$give_up" ] || return 1
    sleep 1
    quiet=$((quiet + 1))
    [ "$quiet" != $((probation - alive_within)) ] || sign=$(shown WatchdogTimestampMonotonic)
    if [ "$(shown NRestarts)" != "$restarts" ] || ! systemctl is-active --quiet facemask-edge.service; then
      [ -e "$state/edge-tpu-deaths" ] && [ "$(shown NRestarts)" -le "$tolerated" ] || return 1
      [ "$(shown ActiveState)" != failed ] || return 1
      restarts=$(shown NRestarts)
      quiet=0
    fi
  done
  # The owner may have switched the watchdog off.
  [ "$(shown WatchdogUSec)" = 0 ] || [ "$(shown WatchdogTimestampMonotonic)" != "$sign" ]
}

# Ends with a code and what happened: the version before runs again, or else the last sentence is true.
fall_back() {
  local code=$1 what=$2 without=$3
  trap '' HUP INT TERM
  if [ ! -d "$previous" ]; then
    # What a fleet delivers may mend it.
    systemctl start "$timer" || true
    fail "$code" "$what $without"
  fi
  restore_secrets
  switch_to "$previous"
  if ! comes_up; then
    systemctl start "$timer" || true
    fail "$code" "$what The one before does not run either."
  fi
  systemctl start "$timer" || true
  rm -rf "$version"
  fail "$code" "$what The one before runs again."
}

remove_versions_but() {
  local folder kept wanted
  for folder in "$program"/versions/*/; do
    kept=no
    for wanted in "$@"; do
      [ "${folder%/}" != "$wanted" ] || kept=yes
    done
    [ "$kept" = yes ] || rm -rf "$folder"
  done
}

report() {
  say "The service runs, and starts by itself from now on."
  systemctl status facemask-edge.service --no-pager --lines 5 || true
  echo
  # A Coral that hangs must not hold this up.
  timeout 120 "$command" check || true
  cat <<END

  sudo facemask-edge check          how everything is
  journalctl -u facemask-edge -f    what it does
  sudo nano $config
                                    the settings; then: sudo systemctl restart facemask-edge
END
}

main "$@"
