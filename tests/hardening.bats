#!/usr/bin/env bats
# What the compiler and the linker were asked for, read back from the programs.

load helper

setup() {
  nm "$BUILD/spool4" 2>/dev/null | grep -qE '__asan|__ubsan|__tsan|__gcov' && skip 'no release build'
  command -v readelf >/dev/null || skip 'no readelf'
}

# Each program, by name, for a command that prints what is wrong with it.
each() {
  local path wrong=()
  for path in "$BUILD"/{spool4,usmtp,ssmtp,printer,postoffice,submit,jes,sndmsg,usertable}; do
    "$@" "$path" || wrong+=("${path##*/}")
  done
  [[ ${#wrong[@]} -eq 0 ]] || fail "$1: ${wrong[*]}"
}

is_pie() { readelf -hW "$1" | grep -q 'Type: *DYN'; }
is_read_only_after_start() { readelf -lW "$1" | grep -q GNU_RELRO && readelf -dW "$1" | grep -qE 'BIND_NOW|FLAGS.*NOW'; }
has_no_executable_stack() { readelf -lW "$1" | awk '/GNU_STACK/ { found = 1; if ($7 ~ /E/) bad = 1 } END { exit !found || bad }'; }
has_no_writable_code() { ! readelf -lW "$1" | grep -E '^ *LOAD' | grep -q 'RWE'; }
has_canaries() { readelf -sW --dyn-syms "$1" | grep -q '__stack_chk_fail'; }
is_fortified() { readelf -sW --dyn-syms "$1" | grep -qE '__(snprintf|vsnprintf|fprintf|memcpy|read|printf)_chk'; }
has_no_text_relocations() { ! readelf -dW "$1" | grep -q TEXTREL; }
has_no_search_path() { ! readelf -dW "$1" | grep -qE 'RPATH|RUNPATH'; }
marks_branch_targets() { [[ $(uname -m) != x86_64 ]] || (($(objdump -d --no-show-raw-insn "$1" | grep -c endbr64) > 20)); }
calls_nothing_unbounded() { ! nm -D --undefined-only "$1" | grep -qE ' (gets|strcpy|strcat|sprintf|vsprintf|strtok|atoi|system|popen|mktemp|tmpnam)(@|$)'; }

@test "position independent, relocations read-only, no search path" {
  each is_pie
  each is_read_only_after_start
  each has_no_text_relocations
  each has_no_search_path
}

@test "nothing is writable and executable" {
  each has_no_executable_stack
  each has_no_writable_code
}

@test "stack canaries, fortified calls, marked branch targets" {
  each has_canaries
  each is_fortified
  each marks_branch_targets
}

@test "no call that knows no bounds" {
  each calls_nothing_unbounded
}
