# Reads one JSON document; leaves each leaf that is not null in value[path], the paths in order in
# path[1..count].
# A path joins keys and indexes by the unit separator, which no key of a config drive contains.
BEGIN { RS = "\001"; SEP = "\037" }

{ text = text $0 }

function token(  found) {
    sub(/^[ \t\r\n]+/, "", text)
    if (match(text, /^"([^"\\]|\\.)*"/) || match(text, /^[-+.0-9a-zA-Z]+/)) {
        found = substr(text, 1, RLENGTH)
        text = substr(text, RLENGTH + 1)
    } else {
        found = substr(text, 1, 1)
        text = substr(text, 2)
    }
    return found
}

function hex(digits,  i, n) {
    for (i = 1; i <= length(digits); i++)
        n = n * 16 + index("0123456789abcdef", tolower(substr(digits, i, 1))) - 1
    return n
}

function utf8(n) {
    if (n == 0) return "?"
    if (n < 128) return sprintf("%c", n)
    if (n < 2048) return sprintf("%c%c", 192 + int(n / 64), 128 + n % 64)
    if (n < 65536)
        return sprintf("%c%c%c", 224 + int(n / 4096), 128 + int(n / 64) % 64, 128 + n % 64)
    return sprintf("%c%c%c%c", 240 + int(n / 262144), 128 + int(n / 4096) % 64,
        128 + int(n / 64) % 64, 128 + n % 64)
}

function unquote(quoted,  rest, out, at, kind, code) {
    rest = substr(quoted, 2, length(quoted) - 2)
    while ((at = index(rest, "\\")) > 0) {
        out = out substr(rest, 1, at - 1)
        kind = substr(rest, at + 1, 1)
        rest = substr(rest, at + 2)
        if (kind == "n") out = out "\n"
        else if (kind == "t") out = out "\t"
        else if (kind == "r") out = out "\r"
        else if (kind == "b") out = out "\b"
        else if (kind == "f") out = out "\f"
        else if (kind == "u") {
            code = hex(substr(rest, 1, 4))
            rest = substr(rest, 5)
            if (code >= 55296 && code < 56320 && substr(rest, 1, 2) == "\\u") {
                code = 65536 + (code - 55296) * 1024 + hex(substr(rest, 3, 4)) - 56320
                rest = substr(rest, 7)
            }
            out = out utf8(code)
        } else out = out kind
    }
    return out rest
}

function join(parent, name) { return parent == "" ? name : parent SEP name }

function read_value(at, first,  item, n) {
    if (first == "{") {
        while ((item = token()) != "}" && item != "")
            if (item != ",") {
                token()
                read_value(join(at, unquote(item)), token())
            }
    } else if (first == "[") {
        while ((item = token()) != "]" && item != "")
            if (item != ",") read_value(join(at, n++ + 0), item)
    } else if (first != "null") {
        path[++count] = at
        value[at] = substr(first, 1, 1) == "\"" ? unquote(first) : first
    }
}

function at(a, b, c, d, e,  full) {
    # The value of the path given by up to five parts; empty when it is not there.
    full = a
    if (b != "") full = full SEP b
    if (c != "") full = full SEP c
    if (d != "") full = full SEP d
    if (e != "") full = full SEP e
    return full in value ? value[full] : ""
}

END { read_value("", token()) }
