#!/usr/bin/env bats
# What USMTP makes of a text, read back by somebody else's decoder: Python's email package.
# shellcheck disable=SC2154 # output, lines: set by bats's run

load helper

setup()
{
    cd "$BATS_TEST_TMPDIR" || return 1
    wire=$(tool textwire)
    export wire
    cat >back.py <<'EOF'
"""Reads what textwire writes: lawful lines, and the message that a receiver sees."""
import email, email.policy, os, subprocess
from email.header import decode_header

def convert(text, *options):
    return subprocess.run([os.environ["wire"], *options], input=text, stdout=subprocess.PIPE,
                          check=True).stdout

def unwire(wire, seven_bit=True):
    assert wire.endswith(b".\r\n") and (wire == b".\r\n" or wire.endswith(b"\r\n.\r\n")), wire[-80:]
    lines = wire.split(b"\r\n")
    assert lines[-2:] == [b".", b""] and b"." not in lines[:-2]
    plain = []
    for line in lines[:-2]:
        line = line[1:] if line.startswith(b".") else line
        assert len(line) <= 998 and b"\r" not in line and b"\n" not in line and b"\0" not in line
        assert not seven_bit or max(line, default=0) < 128, line
        plain.append(line + b"\n")
    return b"".join(plain)

def receive(text, *options, seven_bit=True):
    return email.message_from_bytes(unwire(convert(text, *options), seven_bit))

def decoded(value):
    """The text of a header field, as octets."""
    value = str(value).replace("\n", "")
    return b"".join(part if isinstance(part, bytes) else part.encode()
                    for part, charset in decode_header(value))
EOF
}

@test "a text goes as it is where the peer takes it" {
    printf 'Subject: gr\xc3\xbc\xc3\x9fe\n\n.\n..a\nsch\xc3\xb6n \r\nlast' >text
    run -0 "$wire" --needs --8bitmime --smtputf8 <text
    assert_output 0
    "$wire" --8bitmime --smtputf8 <text >got
    printf 'Subject: gr\xc3\xbc\xc3\x9fe\r\n\r\n..\r\n...a\r\nsch\xc3\xb6n \r\nlast\r\n.\r\n' | cmp - got
}

@test "a body of 8 bit text comes back whole, with its charset named" {
    PYTHONPATH=. python3 <<'EOF'
from back import *
for body, charset in ((b"sch\xc3\xb6n\n", "utf-8"), (b"sch\xf6n\n", "unknown-8bit"),
                      (b"\xc3\n\xb6\n", "unknown-8bit"), (b"x" * 2000 + b"\n", "us-ascii"),
                      (b"a\rb\n", "us-ascii"), (b"a\0b\n", "us-ascii")):
    for header in (b"Subject: x\n", b"Subject: x\nMIME-Version: 1.0\n", b""):
        m = receive(header + b"\n" + body)
        assert m.get_payload(decode=True) == body, (body, m.as_bytes())
        assert m.get_content_charset() == charset and m["MIME-Version"] == "1.0"
        assert len(m.get_all("MIME-Version")) == 1 and m["CTE"] is None
        assert m["Content-Transfer-Encoding"] == "quoted-printable"
EOF
}

@test "a Content-Type is kept octet for octet, an identity encoding is replaced" {
    PYTHONPATH=. python3 <<'EOF'
from back import *
kept = b"Content-Type: text/PLAIN; \n\tcharset = \"iso-8859-1\" (really); x=\"a\\\"b\"\n"
for cte in (b"8bit", b"Binary", b" 7BIT (says who)", b""):
    field = b"content-transfer-encoding:" + cte + b"\n"
    for header in (field + kept, kept + field, kept):
        text = unwire(convert(header + b"\nsch\xf6n\n"))
        assert kept in text
        m = email.message_from_bytes(text)
        assert m.get_payload(decode=True) == b"sch\xf6n\n"
        assert m.get_all("Content-Transfer-Encoding") == ["quoted-printable"]
EOF
}

@test "words of a header come back" {
    PYTHONPATH=. python3 <<'EOF'
from back import *
u = "Grüße an die Straße; mit vielen Wörtern, so daß es über mehrere Zeilen geht: Žluťoučký kůň příšerně"
for subject in ("ö", u, u * 20, "a ö", "ö a", "ö ö", "a\tö \t ö b", "日本語" * 90, "😀" * 60, "=?x ö ?=",
                "\"ö\" <ö> (ö)", "ö_=?x", "ö" + "x" * 1200, "x" * 1200 + "ö", "ö" * 3000):
    text = ("Subject: " + subject + "\nX-Folded:\n " + subject.replace(" ", "\n ") + "\n\n").encode()
    lines = unwire(convert(text)).split(b"\n")
    for line in lines:
        for word in line.split(b" "):
            assert not word.startswith(b"=?") or not word.endswith(b"?=") or len(word) <= 75
        assert len(line) <= 76 or b"?=" not in line or len(max(line.split(), key=len)) > 60, line
    m = receive(text)
    want = subject.encode()
    for field in ("Subject", "X-Folded"):
        got = decoded(m[field])
        assert got == want or len(subject) > 1000 and got.replace(b" ", b"") == want.replace(b" ", b""), \
            (field, got, want)
for subject, want in (("=?UTF-8?Q?=C3=A4?= ö", "ä ö"), ("ö =?UTF-8?Q?=C3=A4?=", "ö ä"),
                      ("=?utf-8?q?a?= ö =?utf-8?q?b?= c", "a ö b c")):
    assert decoded(receive(("Subject: " + subject + "\n\n").encode())["Subject"]) == want.encode()
EOF
}

@test "addresses stay addresses" {
    PYTHONPATH=. python3 <<'EOF'
from back import *
cases = {
    "Jörg <j@x.org>": [("Jörg", "j@x.org")],
    "Jörg<j@x.org>, \"Müller, Änne\" <a@x.org>,b@x.org": [("Jörg", "j@x.org"), ("Müller, Änne", "a@x.org"), ("", "b@x.org")],
    "\"O. \\\"Ö\\\" Müller\" <o@x.org>": [("O. \"Ö\" Müller", "o@x.org")],
    "Friends: Jörg <j@x.org>, b@x.org;": [("Jörg", "j@x.org"), ("", "b@x.org")],
    "\"a, b\" <a@x.org>, Ö <\"o, p\"@x.org>": [("a, b", "a@x.org"), ("Ö", "\"o, p\"@x.org")],
    ", ".join("Jürgen Groß%d <j%d@example.org>" % (i, i) for i in range(40)):
        [("Jürgen Groß%d" % i, "j%d@example.org" % i) for i in range(40)],
}
for value, want in cases.items():
    for name in ("From", "TO", "resent-cc"):
        text = unwire(convert((name + ": " + value + "\n\n").encode()))
        m = email.message_from_bytes(text, policy=email.policy.default)
        got = [(a.display_name, a.addr_spec) for a in m[name].addresses]
        assert got == want, (got, want, text)
m = receive("From: j@x.org (Jörg, Köln)\n\n".encode())
assert decoded(m["From"]) == "j@x.org (Jörg, Köln)".encode(), m["From"]
EOF
}

@test "file names with 8 bit become parameters of RFC 2231" {
    PYTHONPATH=. python3 <<'EOF'
from back import *
for name in ("grün.txt", "ü" * 200 + ".pdf", "a b;\"ü\".txt"):
    quoted = name.replace("\"", "\\\"")
    text = ("MIME-Version: 1.0\nContent-Type: application/x; name=\"%s\"; y=z\n"
            "Content-Disposition: attachment;\n\tfilename=\"%s\"; size=1\n\nx\n" % (quoted, quoted)).encode()
    m = receive(text)
    assert m.get_filename() == name, (m.get_filename(), name)
    assert email.utils.collapse_rfc2231_value(m.get_param("name")) == name
    assert m.get_param("y") == "z" and m.get_param("size", header="content-disposition") == "1"
EOF
}

@test "long header lines are folded, and unfold to what they were" {
    PYTHONPATH=. python3 <<'EOF'
from back import *
for value in (" ".join("word%d" % i for i in range(1000)), "x" * 5000, " ".join(["y" * 2000] * 3),
              "a " + "b" * 998, "<" + ">\n <".join("%d@x.org" % i for i in range(3000)) + ">",
              "z" * 200000, " ".join("w%d" % i for i in range(50000))):
    m = receive(b"References: " + value.encode() + b"\nTo: a@b\n\nx\n")
    got = m["References"].replace("\n", "")
    value = value.replace("\n", "")
    assert m["To"] == "a@b" and m.get_payload() == "x\n"
    assert got.replace(" ", "") == value.replace(" ", "")
    assert got == value or max(map(len, value.split())) > 900
EOF
}

@test "200 messages of random structure come back part by part" {
    PYTHONPATH=. timeout 300 python3 <<'EOF'
import random, re
from back import *
r = random.Random(3464)

def body(lines):
    pieces = (b"plain text", b"sch\xc3\xb6n", b"\xff\xfe", b"", b".", b"..", b"From me", b" ", b"a \t",
              b"--", b"--b0", b"x" * 75, b"x" * 76, b"y=" * 40, b"z" * 997 + b"-", b"--b0--", b"=3D", b"a\rb",
              b"\r", b"\0", b"\x0c", b"- " * 600, b"-" * 3000, b"--b1 " * 30, b"Content-Type: a/b")
    return b"".join(b"".join(r.choices(pieces, k=r.randrange(3))) + b"\n" for i in range(lines))

def safe(text, open_boundaries):
    """No line of the text is a delimiter by accident."""
    return b"\n".join(b"~" + line if line.rstrip(b" \t") in open_boundaries else line for line in text.split(b"\n"))

def leaf(opened):
    header = r.choice((b"", b"Content-Type: text/plain; charset=utf-8\n", b"Content-Type: application/x-y\n",
                       b"Content-Type: image/png; name=\"gr\xc3\xbcn\"\n"))
    header += r.choice((b"", b"Content-Transfer-Encoding: 8bit\n", b"Content-Transfer-Encoding: binary\n",
                        b"X-Note: \xc3\xb6 and so on\n"))
    text = safe(re.sub(b"\r+\n", b"\n", body(r.randrange(6))), opened)
    return header, text, ("leaf", text)

def encoded(opened):
    import base64, quopri
    text = bytes(r.randrange(256) for i in range(r.randrange(200)))
    if r.random() < .5:
        return b"Content-Type: a/b\nContent-Transfer-Encoding: base64\n", base64.encodebytes(text), ("leaf", text)
    text = text.replace(b"\r", b"") + b"\n"
    coded = b"".join(b"=%02X" % c if c not in b"\nabcdefgh" else bytes([c]) for c in text)
    return b"Content-Type: a/b\nContent-Transfer-Encoding: quoted-printable\n", coded, ("leaf", text)

def multipart(opened):
    name = b"b%d" % (len(opened) // 2)
    boundary = r.choice((b"boundary=%s", b"boundary=\"%s\"", b"x=y;\n BOUNDARY =%s ;c=d")) % name
    opened = opened | {b"--" + name, b"--" + name + b"--"}
    parts = [entity(opened) for i in range(r.randrange(1, 4))]
    text = r.choice((b"", b"preamble\n"))
    for header, inner, shape in parts:
        text += b"--" + name + r.choice((b"", b" ")) + b"\n" + header + b"\n" + inner + b"\n"
    text += b"--" + name + b"--\n" + r.choice((b"", b"the end\n"))
    header = b"Content-Type: multipart/mixed; " + boundary + b"\n"
    header += r.choice((b"", b"Content-Transfer-Encoding: 8bit\n"))
    return header, text, ("multi", [shape for header, inner, shape in parts])

def message(opened):
    header, text, shape = entity(opened)
    return (b"Content-Type: message/rfc822\n", b"Subject: inner\n" + header + b"\n" + text, ("multi", [shape]))

def entity(opened):
    kinds = [leaf, leaf, encoded] + ([multipart, multipart, message] if len(opened) < 10 else [])
    return r.choice(kinds)(opened)

def shape_of(m):
    if m.is_multipart():
        return ("multi", [shape_of(p) for p in m.get_payload()])
    return ("leaf", m.get_payload(decode=True))

def same(got, want):
    if got[0] != want[0]:
        return False
    if got[0] == "multi":
        return len(got[1]) == len(want[1]) and all(map(same, got[1], want[1]))
    # The line end before a delimiter belongs to it; one may be added at the end of a text.
    return got[1].rstrip(b"\n") == want[1].rstrip(b"\n")

for i in range(200):
    header, text, shape = entity(frozenset())
    text = b"From: a@b.c\nMIME-Version: 1.0\n" + header + b"\n" + text
    chunk = str(r.choice((1, 2, 7, 64, 1000, 10**6)))
    wire = convert(text, "--chunk", chunk)
    assert wire == convert(text), (text, chunk)
    m = email.message_from_bytes(unwire(wire))
    encodes = int(convert(text, "--needs")) & 1
    for part in m.walk():
        composite = encodes and part.is_multipart()
        assert not composite or part["Content-Transfer-Encoding"] in (None, "7bit"), text
    if not same(shape_of(m), shape):
        raise AssertionError("%d\n%r\n%r\n%r" % (i, text, shape, shape_of(m)))
EOF
}
