# SPDX-License-Identifier: MIT
# Completion of skink for bash: skink itself knows its verbs, options and domains.
_skink()
{
	local candidates
	mapfile -t candidates < <(skink __complete "$COMP_CWORD" -- "${COMP_WORDS[@]}" 2> /dev/null)
	local word=${COMP_WORDS[COMP_CWORD]}
	case ${candidates[0]-} in
	'<file>')
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		;;
	'<directory>')
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -d -- "$word")
		;;
	*)
		COMPREPLY=("${candidates[@]}")
		;;
	esac
}
complete -F _skink skink
