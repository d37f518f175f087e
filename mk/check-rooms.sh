#!/bin/sh
# check-rooms.sh [FOLDER]: the trainer's arrows point down. A file may include headers of its own room and of those
# that the table gives it; the first word of an include is the room.
set -eu
cd "${1:-examples/distill}"

grep -nH '^ *# *include *"' -- */*.[ch] | awk -F'[:"/]' '
    BEGIN {
        below["app"] = "report train net data base"
        below["report"] = "train net data base"
        below["train"] = "net data base"
        below["net"] = below["data"] = "base"
        below["base"] = ""
    }
    # room / file : line : #include " room / header "
    { count++
      if (index(" " $1 " " below[$1] " ", " " $5 " ") && NF == 7) next
      if (!($1 in below)) why = "no such room: " $1
      else if (NF != 7) why = "write the room before the header"
      else why = $1 " may see " (below[$1] == "" ? "itself alone" : "itself, " below[$1])
      printf "%s/%s:%s: %s\n", $1, $2, $3, why
      wrong++ }
    END {
        if (!count) { print "check-rooms: no include found"; exit 1 }
        exit wrong > 0 }' >&2
