#!/bin/sh
# Runs a container's command with the machine code that the image was built with. It is copied to where can be written:
# on another kind of processor the loops are compiled anew, and kept there.
set -eu
compiled=/opt/quintet/compiled
if ! cmp -s $compiled/id "$NUMBA_CACHE_DIR/id"; then
    # Several containers share the folder and start at once: each puts a whole copy in place, or finds one there.
    if work=$(mktemp -d "$NUMBA_CACHE_DIR.XXXXXX") && cp -rp $compiled "$work/new"; then
        mv -T "$NUMBA_CACHE_DIR" "$work/old" 2>/dev/null || true
        mv -T "$work/new" "$NUMBA_CACHE_DIR" 2>/dev/null || true
        rm -rf "$work"
    else
        echo "the machine code of the image cannot be copied to $NUMBA_CACHE_DIR: it is compiled anew" >&2
    fi
fi
exec "$@"
