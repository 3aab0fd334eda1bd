#!/bin/bash
# Does for MariaDB what the image of MySQL does at its first start: create the data
# directory; then, on a server that listens only on a local socket, set root's
# password, create MYSQL_DATABASE, MYSQL_USER and root at MYSQL_ROOT_HOST (%), and run the
# scripts in /docker-entrypoint-initdb.d. Every variable may come from a file (NAME_FILE).
set -euo pipefail

data=/var/lib/mysql
socket=/var/run/mysqld/mysqld.sock

case ${1:-} in
    -*) set -- mysqld "$@" ;;
    mysqld) ;;
    *) exec "$@" ;;
esac
shift

from_file() {
    local file=${1}_FILE
    if [ -n "${!file:-}" ]; then export "$1"="$(cat "${!file}")"; fi
}
for name in MYSQL_ROOT_PASSWORD MYSQL_ROOT_HOST MYSQL_DATABASE MYSQL_USER MYSQL_PASSWORD; do from_file "$name"; done

serve() { exec mariadbd --no-defaults --datadir="$data" --socket="$socket" --pid-file=/var/run/mysqld/mysqld.pid "$@"; }
sql() { mariadb --no-defaults --protocol=socket --socket="$socket" -u root "$@"; }

first_start() {
    echo "substitute: first start, creating $data"
    mariadb-install-db --no-defaults --datadir="$data" --auth-root-authentication-method=normal \
        --skip-test-db >/dev/null
    serve --skip-networking &
    local server=$! waited=0
    until sql -e 'select 1' >/dev/null 2>&1; do
        if [ $((waited += 1)) -gt 300 ] || ! kill -0 $server; then
            echo "substitute: the server for the first start does not answer" >&2
            exit 1
        fi
        sleep 0.2
    done
    if [ -n "${MYSQL_DATABASE:-}" ]; then sql -e "CREATE DATABASE IF NOT EXISTS \`$MYSQL_DATABASE\`"; fi
    if [ -n "${MYSQL_USER:-}" ]; then
        sql -e "CREATE USER '$MYSQL_USER'@'%' IDENTIFIED BY '${MYSQL_PASSWORD:?}'"
        if [ -n "${MYSQL_DATABASE:-}" ]; then
            sql -e "GRANT ALL ON \`${MYSQL_DATABASE//_/\\_}\`.* TO '$MYSQL_USER'@'%'"
        fi
    fi
    local script
    for script in /docker-entrypoint-initdb.d/*.sql; do
        [ -e "$script" ] || continue
        echo "substitute: running $script"
        sql ${MYSQL_DATABASE:+"$MYSQL_DATABASE"} <"$script"
    done
    # Last, since every statement above enters as root without a password.
    # mariadb-install-db has created these without a password.
    sql -e "DROP USER IF EXISTS 'root'@'127.0.0.1', 'root'@'::1', 'root'@'$(hostname)'"
    local host=${MYSQL_ROOT_HOST:-%}
    if [ "$host" != localhost ]; then
        sql -e "CREATE USER 'root'@'$host' IDENTIFIED BY '${MYSQL_ROOT_PASSWORD:?}';
                GRANT ALL ON *.* TO 'root'@'$host' WITH GRANT OPTION;"
    fi
    sql -e "ALTER USER 'root'@'localhost' IDENTIFIED BY '${MYSQL_ROOT_PASSWORD:?}';"
    kill -TERM $server
    wait $server
    touch "$data/.initialised"
}

# Repeat a first start that was interrupted, with an empty data directory.
if [ ! -e "$data/.initialised" ]; then
    find "$data" -mindepth 1 -delete
    first_start
fi
serve --bind-address=0.0.0.0 "$@"
