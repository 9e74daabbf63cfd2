#!/bin/sh
# A decode worker for tests. At its start it dies while its folder holds a file `dead`, or one named `die-…`, which it
# takes away; else it answers every job with the same four bytes.
here=${0%/*}
if [ -e "$here/dead" ]; then exit 1; fi
for once in "$here"/die-*; do
    if [ -e "$once" ]; then rm "$once"; exit 1; fi
done
while lengths=$(head -c 8 | od -An -tu4) && [ -n "$lengths" ]; do
    set -- $lengths
    head -c $(($1 + $2)) >/dev/null
    printf '\042\000\000\000\004\000\000\000{"Done":{"resolution_offsets":[]}}\001\002\003\004'
done
