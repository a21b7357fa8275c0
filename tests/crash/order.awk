# Follows a trace of killat (-v count) and says where a power cut could break what it does; the rules
# are in `order`. Variables: spool, the spool; out, the file that standard output is; shell=1: the
# command is several programs; partial=1: it did not come to its end. A call that failed did nothing.
function parent(p) { sub(/\/[^\/]*$/, "", p); return p }
function below(p, d) { return index(p, d "/") == 1 }
function short(p) { return below(p, spool) ? substr(p, length(spool) + 2) : p }
function broken(rule, text) { printf "%s: call %d %s %s: %s\n", rule, NR, $2, short(path), text; bad = 1 }
# A folder where a name counts: the queues, mail/, printouts, Maildirs.
function counts(d) { return d == spool "/mail" || parent(d) == spool "/jes" || kept(d) }
function kept(d) { return d == spool "/print" || (below(d, spool "/box") && d ~ /\/(new|cur)$/) }
# The receiver's journal: of its writes, only a head has this length.
function is_journal(p) { return p ~ /\/work\/SSMTP\.[0-9]+\.JOURNAL$/ }
function is_writing(p) { return p ~ /\/\.spool-[^\/]*$/ }
function is_dotted(p) { return p ~ /\/\.ssmtp-[^\/]*$/ }
function on_journal(p, octets,   f) {
    if (octets != 64) {
        if (p in unnamed) broken("R10", "a record in a journal whose name is not yet synced")
        recorded[p] = 1
        return
    }
    released[p] = 1
    for (f in dotted) {
        if (f in written) broken("R11", "released before " short(f) " is synced")
        if (parent(f) in entries) broken("R11", "released before the name of " short(f) " is synced")
    }
}
function on_journal_sync(p,   f) {
    delete recorded[p]
    if (p in released) { for (f in dotted) dotted[f] = "released"; head_synced = 1 }
    delete released[p]
}
# NAMES: which reservation was written, and which is synced. A unit needs those before its first file.
function names_synced() { names_safe = names_written; delete written[spool "/work/NAMES"] }
function names_lack(u) { return u in named && named[u] > names_safe }
function clean_dir(d,   p) {
    for (p in claimed) if (claimed[p] == d) claimed[p] = ""
    for (p in commits) if (parent(p) == d) commits[p] = "synced"
    for (p in unnamed) if (parent(p) == d) delete unnamed[p]
    for (p in awaited) if (parent(p) == d) delete awaited[p]
    delete entries[d]; delete arrived[d]; delete removed[d]; delete owed[d]
}
# Everything known of a path goes with it when it is renamed.
function move(table, from, to,   p, list, n, i) {
    n = 0
    for (p in table) if (p == from || below(p, from)) list[++n] = p
    for (i = 1; i <= n; i++) {
        table[to substr(list[i], length(from) + 1)] = table[list[i]]
        delete table[list[i]]
    }
}
function unsynced_below(d,   p) {
    for (p in written) if (p == d || below(p, d)) return short(p)
    for (p in entries) if (p == d || below(p, d)) return short(p)
    return ""
}
function commit_of(p,   u) { for (u in commits) if (below(p, u)) return u; return "" }
function on_rename(from, to,   p, u) {
    path = from
    u = commit_of(from)
    if ((is_writing(from) || to ~ /\/\.OFFER-[^\/]*\.done$/) && !((spool in synced) && (spool "/jes") in synced))
        broken("R13", "the folders of the spool were never synced")
    if (to ~ /\/work\/[^\/]*\.done$/ && !shell && !((spool in synced) && (spool "/jes") in synced))
        broken("R13", "the folders of the spool were never synced")
    if (u != "" && commits[u] != "synced") broken("R2", short(u) " is not yet synced as committed")
    if (to ~ /\.done$/) {
        if (names_lack(from)) broken("R6", "NAMES is not yet synced")
        p = unsynced_below(from)
        if (p != "") broken("R1", "committed before " p " is synced")
        for (p in claimed) if (below(p, from) && claimed[p] != "")
            broken("R1", "committed before the queue " short(claimed[p]) " is synced")
    } else if (counts(parent(to)) || to ~ /\/CHKPT$/) {
        if (from in written) broken("R1", "it counts before its octets are synced")
        if (from ~ /\.done\/mail\// && (u == "" ? names_written > names_safe : names_lack(u)))
            broken("R6", "NAMES is not yet synced")
        if (from ~ /\/jes\// && parent(to) == spool "/mail" && names_written > names_safe)
            broken("R6", "NAMES is not yet synced")
    }
    if (from ~ /\.done\/in\//) awaited[to] = 1
    if (from ~ /\.done\/.*\.REASON$/) {
        p = to; sub(/\.REASON$/, "", p)
        if (p in awaited) broken("R9", "before the arrival of " short(p) " is synced")
    }
    if (is_dotted(from)) on_show(from)
    if (is_journal(to)) unnamed[to] = 1
    if (parent(to) ~ /\.open\/in$/) claimed[to] = parent(from)
    move(written, from, to); move(entries, from, to); move(claimed, from, to); move(named, from, to)
    if (to ~ /\.done$/) commits[to] = "renamed"
    if (u != "") { went[u] = went[u] " " parent(to) }
    if (from ~ /\/mail\// || counts(parent(from))) removed[parent(from)] = from
    entries[parent(from)] = entries[parent(to)] = 1
    if (counts(parent(to))) arrived[parent(to)] = to
    if (counts(parent(to)) && !is_dotted(from)) owed[parent(to)] = to
}
# A file of the receiver is shown: by a name, or by its mode.
function on_show(p) {
    if (p in dotted ? dotted[p] == "made" : !head_synced)
        broken("R12", "it is shown before the release of its record is synced")
    delete dotted[p]
}
function on_unlink(p, dir,   u, list, n, i) {
    path = p
    u = commit_of(p)
    if (u != "" && !dir && commits[u] != "synced") broken("R2", "used up before the commit is synced")
    if (!dir && parent(parent(p)) == spool "/jes")
        for (n in arrived) if (kept(n)) broken("R8", "before " short(arrived[n]) " is synced")
    if (p in commits) {
        n = split(went[p], list, " ")
        for (i = 1; i <= n; i++) if (list[i] in arrived) broken("R3", "before " short(list[i]) " is synced")
        delete commits[p]; delete went[p]
    }
    if (!dir && parent(p) == spool "/mail" && !mail_synced && !shell) broken("R7", "mail/ was never synced")
    delete written[p]; delete dotted[p]
    entries[parent(p)] = 1
    if (counts(parent(p)) && p !~ /\/\.[^\/]*$/) removed[parent(p)] = p
}
function on_sync(p) {
    if (p == spool "/work/NAMES") names_synced()
    delete written[p]
    synced[p] = 1
    on_journal_sync(p)
    clean_dir(p)
    if (p == spool "/mail") mail_synced = 1
}
function on_ack(   p) {
    for (p in arrived) broken("R4", "told before " short(p) " is synced")
}
# The client logs what the receiver said: it says nothing between a text and its answer.
function on_receipt(   p) {
    for (p in recorded) broken("R10", "told before the record in " short(p) " is synced")
    for (p in owed) broken("R4", "told before " short(p) " is synced")
}
$NF ~ /^-/ { next }
{ path = $3; file = $3; sub(/^[0-9]+:/, "", file) }
$2 ~ /^rename/ { on_rename($3, $4) }
$2 == "unlinkat" { on_unlink($3, $4 == "0x200") }
$2 ~ /^(unlink|rmdir)$/ { on_unlink($3, $2 == "rmdir") }
$2 ~ /^f(data)?sync$/ { on_sync(file) }
$2 == "syncfs" {
    for (p in released) on_journal_sync(p)
    delete awaited; delete written; delete entries; delete arrived; delete removed; delete owed; delete unnamed; delete recorded
    for (p in claimed) claimed[p] = ""
    for (p in commits) commits[p] = "synced"
    names_synced()
    mail_synced = 1
}
$2 ~ /write/ && file == out && $3 ~ /^1:/ { on_ack() }
$2 ~ /write/ && file == out && $3 !~ /^[12]:/ { on_receipt() }
$2 ~ /write/ && is_journal(file) { on_journal(file, $4) }
$2 ~ /write/ && file == spool "/work/NAMES" { names_written++ }
$2 ~ /write|truncate/ && below(file, spool) && file !~ /\/(JOBNO|CHKPT)$/ { written[file] = 1 }
$2 ~ /^open/ && $4 ~ /O_CREAT/ && below($3, spool) && $4 ~ /O_EXCL/ {
    entries[parent($3)] = 1
    if (is_dotted($3) || $5 ~ /^0*1600$/) dotted[$3] = "made"
    if ($3 ~ /\.open\/(mail|POST|PRT)\//) named[parent(parent($3))] = names_written
}
$2 == "fchmodat" && parent(parent($3)) == spool "/jes" { path = $3; on_show($3) }
$2 ~ /^mkdir/ && $3 ~ /\/box\/[^\/]*\/\.tmp\.new$/ {
    if (!((parent($3) in synced) && (parent(parent($3)) in synced)))
        broken("R13", "the rest of the Maildir was never synced")
}
$2 ~ /^mkdir/ { entries[parent($3)] = 1 }
END {
    if (partial) exit bad
    for (p in arrived) { path = arrived[p]; $2 = "end"; broken("R5", "its arrival is never synced") }
    for (p in removed) if (p == spool "/mail") { path = removed[p]; $2 = "end"; broken("R5", "its removal is never synced") }
    exit bad
}