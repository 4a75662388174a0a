# Ends every server of one sandbox and removes its directory ($1).
#
# Standard input is a pipe whose only writer is the process that made the sandbox. Nothing is ever written to it: end
# of file means that process closed the sandbox, or is gone for whatever reason, SIGKILL included.

trap '' HUP INT TERM
dir=$1
cd / || exit 1
while read -r _; do :; done

# Without its pids directory the sandbox starts no further program: each writes its pid there before it runs.
mv "$dir/pids" "$dir/ending" 2>/dev/null

# A zombie is as good as gone; in a container nobody may ever reap it.
alive() {
	kill -0 "$1" 2>/dev/null || return 1
	case $(cat "/proc/$1/stat" 2>/dev/null) in *') Z '*) return 1 ;; esac
}

# Sends signal $1 to all that are left and fails when there are none. Each leads a process group of its own. A server
# takes QUIT as "immediate shutdown" and ends its children itself.
signal() {
	left=1
	for file in "$dir"/ending/*; do
		{ read -r pid <"$file"; } 2>/dev/null || continue
		alive "$pid" || continue
		kill -s "$1" -- "-$pid" 2>/dev/null
		left=0
	done
	return $left
}

signal QUIT
signal CONT
tries=0
while signal 0; do
	tries=$((tries + 1))
	# A server kills children that do not listen after five seconds; one that does not listen itself gets one more.
	[ $tries -gt 300 ] && signal KILL
	sleep 0.02
done

# A killed server leaves its System V segment, which is in the seventh line of its pid file.
for file in "$dir"/*/data/postmaster.pid; do
	[ -f "$file" ] || continue
	id=$(sed -n '7s/.* //p' "$file")
	[ -n "$id" ] && ipcrm -m "$id" 2>/dev/null
done

# Orphans of a killed server may write a last file while it is being removed.
tries=0
until rm -rf "$dir" 2>/dev/null; do
	tries=$((tries + 1))
	[ $tries -gt 100 ] && exit 1
	sleep 0.05
done
