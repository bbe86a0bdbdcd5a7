#!/bin/sh
# Makes a database cluster in $PGDATA if there is none, then becomes its server.
set -e
: "${PGDATA:=/pgdata/data}"
export PGDATA

# A volume of the node's disk belongs to root. Whoever starts this as root gets it handed to the server's user, as the
# images in common use do.
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA"
  chown -R 1001:1001 "$PGDATA"
  exec su -s /bin/sh postgres -c 'exec /usr/local/bin/postgres.sh'
fi

# initdb wants to know its user by name, and a namespace may choose any number.
id -un >/dev/null 2>&1 || echo "postgres:x:$(id -u):0::/pgdata:/bin/sh" >>/etc/passwd

if [ ! -f "$PGDATA/PG_VERSION" ]; then
  if [ -z "$POSTGRES_PASSWORD" ]; then
    echo "POSTGRES_PASSWORD is not set, and $PGDATA holds no database yet" >&2
    exit 1
  fi
  umask 077
  mkdir -p "$PGDATA"
  printf '%s\n' "$POSTGRES_PASSWORD" >/tmp/password
  initdb --pgdata "$PGDATA" --username postgres --pwfile /tmp/password --auth scram-sha-256 --locale C --encoding UTF8 --no-sync
  rm -f /tmp/password
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
fi
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/tmp
