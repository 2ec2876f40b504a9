#!/bin/sh
# Issues a certificate of the fleet's own authority, whose files fleet-ca.pem and fleet-ca.key lie in this folder; the first
# call makes them. Who has fleet-ca.key can be any device: keep it where no device and no broker is.
#
#   ./issue-certificate.sh gate-7 [DAYS]                     for a device: NAME/facemask-edge is for its boot partition
#   ./issue-certificate.sh --broker mqtt.example.org [DAYS]  for a broker by its host name: broker.pem and broker.key
set -eu
umask 077

kind=device
if [ "${1:-}" = --broker ]; then
  kind=broker
  shift
fi
name=${1:?name a device, or --broker and its host name}
days=${2:-730}
# It becomes a level of topics; a certificate's name has 64 letters at the most.
printf '%s\n' "$name" | grep -qxE '\.*[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}' && [ "${#name}" -le 64 ] || {
  echo "$name: a name has letters, digits, hyphens, underscores and dots, 64 at the most" >&2
  exit 64
}

new_key="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
if [ ! -e fleet-ca.pem ]; then
  # shellcheck disable=SC2086 # several options
  openssl req -x509 $new_key -keyout fleet-ca.key -out fleet-ca.pem -days 7300 -subj "/CN=authority of the fleet" \
    -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
fi

if [ $kind = broker ]; then
  certificate=broker.pem key=broker.key
  usage="extendedKeyUsage=serverAuth
subjectAltName=DNS:$name"
else
  mkdir -p "$name/facemask-edge"
  certificate=$name/facemask-edge/mqtt_cert.pem key=$name/facemask-edge/mqtt_key.pem
  usage=extendedKeyUsage=clientAuth
  cp fleet-ca.pem "$name/facemask-edge/mqtt_ca.pem"
fi
request=$(mktemp)
trap 'rm -f "$request" "$request.usage"' EXIT
cat >"$request.usage" <<END_OF_USAGE
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
$usage
END_OF_USAGE
# shellcheck disable=SC2086
openssl req -new $new_key -keyout "$key" -out "$request" -subj "/CN=$name" 2>/dev/null
openssl x509 -req -in "$request" -CA fleet-ca.pem -CAkey fleet-ca.key -days "$days" -extfile "$request.usage" \
  -out "$certificate" 2>/dev/null
echo "$certificate: $name, for $days days"
