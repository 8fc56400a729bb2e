# SPDX-License-Identifier: Apache-2.0
# bash completion of hologramctl. Names of buffers and operations come from the server, if one runs.

_hologramctl_server()
{
    local options=() i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -s | --socket) options=(--socket "${COMP_WORDS[i + 1]}") ;;
        esac
    done
    "${COMP_WORDS[0]}" "$@" "${options[@]}" --timeout 1 2>/dev/null
}

_hologramctl_command()
{
    local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -s | --socket | -t | --timeout) ((i++)) ;;
        -*) ;;
        *)
            echo "${COMP_WORDS[i]} $i"
            return
            ;;
        esac
    done
}

_hologramctl_words()
{
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "${COMP_WORDS[COMP_CWORD]}")
}

_hologramctl_files()
{
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
}

_hologramctl_options()
{
    local common="--socket --timeout --help --usage --version" own=
    case $1 in
    ping) own="--count" ;;
    info) own="--json" ;;
    ops) own="--json --names" ;;
    put) own="--dtype --pool --force --constant --mode --group" ;;
    get) own="--all" ;;
    alloc) own="--dtype --shape --pool --fallback --mode --group" ;;
    ls) own="--all --names --json" ;;
    run) own="--output --attr --pool --json --mode --group" ;;
    eval) own="--output --all --mode --group" ;;
    explain) own="--dot" ;;
    graph) own="--json --mode --group" ;;
    stats) own="--all --json" ;;
    top) own="--once --interval" ;;
    cache) own=$(_hologramctl_cache_options) ;;
    bench) own="--elements --dtype --mode --depth --seconds --json" ;;
    asm) own="--output --run --rows --cols --param --fuel" ;;
    disasm) own="--output" ;;
    esac
    _hologramctl_words "$own $common"
}

_hologramctl_cache_commands="top ls stats show what-if flush pin unpin profile warm"

# The command of `cache' that stands before the cursor.
_hologramctl_cache_command()
{
    local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ " $_hologramctl_cache_commands " == *" ${COMP_WORDS[i]} "* ]]; then
            echo "${COMP_WORDS[i]}"
            return
        fi
    done
}

_hologramctl_cache_options()
{
    case $(_hologramctl_cache_command) in
    top | ls) echo "--count --cache --json" ;;
    stats) echo "--all --json" ;;
    show | what-if) echo "--json" ;;
    flush) echo "--all --cache" ;;
    esac
}

_hologramctl_cache_keys()
{
    _hologramctl_words "$(_hologramctl_server cache ls | awk 'NR > 1 { print $1 }')"
}

_hologramctl_cache_argument()
{
    case $(_hologramctl_cache_command) in
    "") _hologramctl_words "$_hologramctl_cache_commands" ;;
    show | flush | pin | unpin) _hologramctl_cache_keys ;;
    profile | warm) _hologramctl_files ;;
    esac
}

# The value of the option before the cursor. False if it takes none.
_hologramctl_value()
{
    local option=${COMP_WORDS[COMP_CWORD - 1]}
    case $1:$option in
    *:-s | *:--socket | asm:-o | disasm:-o | asm:--output | disasm:--output) _hologramctl_files ;;
    run:-o | run:--output) _hologramctl_words "$(_hologramctl_server ls --names)" ;;
    *:-d | *:--dtype) _hologramctl_words "i8 i16 i32 i64 u8 u16 u32 u64 f16 bf16 f32 f64" ;;
    put:-p | alloc:-p | run:-p | *:--pool) _hologramctl_words "heap boundary shared" ;;
    bench:-m | bench:--mode) _hologramctl_words "single pipelined batch all" ;;
    *:-t | *:--timeout | *:--count | *:--shape | *:--mode | *:--attr | *:--interval) ;;
    *:--elements | *:--depth | *:--seconds | *:--rows | *:--cols | *:--param | *:--fuel) ;;
    cache:-c | cache:--cache)
        _hologramctl_words "$(_hologramctl_server cache stats --all | awk 'NR > 4 { print $1 }')"
        ;;
    *:-g | *:--group) mapfile -t COMPREPLY < <(compgen -g -- "${COMP_WORDS[COMP_CWORD]}") ;;
    *) return 1 ;;
    esac
}

_hologramctl_argument()
{
    local command=$1 place=$2
    case $command:$place in
    cache:*) _hologramctl_cache_argument ;;
    graph:1) _hologramctl_words "save load ls rm" ;;
    graph:2) _hologramctl_words "$(_hologramctl_server graph ls | awk 'NR > 1 { print $1 }')" ;;
    eval:* | explain:*) _hologramctl_files ;;
    ops:1 | run:1 | bench:1) _hologramctl_words "$(_hologramctl_server ops --names)" ;;
    put:2 | get:2 | asm:1 | disasm:1) _hologramctl_files ;;
    put:* | get:* | info:* | free:* | freeze:* | run:* | asm:*)
        _hologramctl_words "$(_hologramctl_server ls --names)"
        ;;
    esac
}

_hologramctl()
{
    local command index
    COMPREPLY=()
    read -r command index < <(_hologramctl_command)
    if _hologramctl_value "$command"; then
        return
    fi
    if [[ ${COMP_WORDS[COMP_CWORD]} == -* ]]; then
        _hologramctl_options "$command"
    elif [[ -z $command ]]; then
        _hologramctl_words "ping info ops put get alloc free freeze ls run eval explain graph stats top cache bench asm disasm"
    else
        _hologramctl_argument "$command" $((COMP_CWORD - index))
    fi
}

complete -F _hologramctl hologramctl
