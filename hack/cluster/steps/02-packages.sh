# Debian packages. Several of them would start a daemon when installed; a policy-rc.d
# that forbids it leaves the system's services unchanged.

missing=()
while read -r package; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done <"$HERE/packages.txt"

install_packages() {
    local policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod +x $policy
        # shellcheck disable=SC2064
        trap "rm -f $policy" EXIT
    fi
    # Wait if another apt is running.
    local apt=(apt-get -qq -o DPkg::Lock::Timeout=600)
    "${apt[@]}" update
    DEBIAN_FRONTEND=noninteractive "${apt[@]}" install -y --no-install-recommends "${missing[@]}"
}

if [ ${#missing[@]} -gt 0 ]; then
    step "installing Debian packages: ${missing[*]}"
    LOG=$LOGS/packages.log
    (install_packages) >"$LOG" 2>&1 || fail "installing packages"
fi
