# After json.awk, over meta_data.json: prints what the boot script evaluates, each value quoted.
function quoted(word) {
    gsub(/'/, "'\\''", word)
    return "'" word "'"
}

END {
    name = at("hostname")
    if (name == "") name = at("name")
    gsub(/[^-.0-9A-Za-z]/, "-", name)
    print "host_name=" quoted(name == "" ? "tiny" : name)
    print "uuid=" quoted(at("uuid"))
    print "admin_pass=" quoted(at("admin_pass"))
    for (i = 1; i <= count; i++)
        if (index(path[i], "public_keys" SEP) == 1) {
            key = value[path[i]]
            gsub(/\n+$/, "", key)
            keys = keys (keys == "" ? "" : "\n") key
        }
    print "public_keys=" quoted(keys)
    print "inject_files() {"
    print ":"
    for (i = 0; at("files", i, "path") != ""; i++)
        print "inject " quoted(at("files", i, "content_path")) " " quoted(at("files", i, "path"))
    print "}"
}
