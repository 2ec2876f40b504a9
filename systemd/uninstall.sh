#!/usr/bin/env bash
# Removes facemask-edge. Settings, passwords and events that wait stay, unless it is told otherwise:
#
#   sudo /opt/facemask-edge/current/uninstall.sh [--purge]
set -euo pipefail

purge=no
for option in "$@"; do
  case $option in
    --purge) purge=yes ;;
    --help | -h)
      sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"
      exit 0
      ;;
    *)
      echo "$option is no option of this script; see --help." >&2
      exit 64
      ;;
  esac
done
if [ "$(id -u)" != 0 ]; then
  echo "This needs root: sudo $0 $*" >&2
  exit 64
fi

# First what would start the daemon again.
systemctl disable --quiet --now facemask-edge-rollout.timer 2>/dev/null || true
systemctl stop facemask-edge-rollout.service 2>/dev/null || true
systemctl disable --quiet --now facemask-edge{-rollout-boot,-first-boot,}.service 2>/dev/null || true
# A broker that is not there is no reason to keep the program.
if [ -x /usr/local/bin/facemask-edge ] && ! timeout 60 /usr/local/bin/facemask-edge retire; then
  echo "What the broker keeps of this device, Home Assistant goes on showing: delete it there." >&2
fi
rm -f /etc/systemd/system/facemask-edge{.service,-first-boot.service,-rollout-boot.service,-rollout.service,-rollout.timer} /usr/local/bin/facemask-edge
[ "$purge" = no ] || rm -rf /etc/systemd/system/facemask-edge.service.d
systemctl daemon-reload
systemctl reset-failed facemask-edge.service 2>/dev/null || true
rm -rf /opt/facemask-edge
if [ "$purge" = yes ]; then
  rm -rf /etc/facemask-edge /var/lib/facemask-edge{,-rollouts}
  ! getent passwd facemask-edge >/dev/null || userdel facemask-edge
  # userdel leaves it where others are in it, too.
  ! getent group facemask-edge >/dev/null || groupdel facemask-edge
  echo "facemask-edge is removed, with its settings and its events."
else
  cat <<'END'
facemask-edge is removed. Its settings stay in /etc/facemask-edge, its events and pictures in /var/lib/facemask-edge. These remove them, too:

  sudo rm -rf /etc/facemask-edge /var/lib/facemask-edge /var/lib/facemask-edge-rollouts /etc/systemd/system/facemask-edge.service.d
  sudo userdel facemask-edge
END
fi
