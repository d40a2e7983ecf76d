# After json.awk, over network_data.json: prints the steps that the network script takes.
function clean(word) {
    gsub(/[^-_0-9A-Za-z:.\/]/, "", word)
    return word
}

function address_of(n, mac,  ip, mask, slash) {
    ip = clean(at("networks", n, "ip_address"))
    mask = clean(at("networks", n, "netmask"))
    slash = index(ip, "/")
    if (slash) {
        mask = substr(ip, slash + 1)
        ip = substr(ip, 1, slash - 1)
    }
    if (mask == "") mask = index(ip, ":") ? 64 : 24
    print "address", mac, ip, mask
}

function routes_of(n, mac,  r, net, mask, slash) {
    for (r = 0; at("networks", n, "routes", r, "gateway") != ""; r++) {
        net = clean(at("networks", n, "routes", r, "network"))
        mask = clean(at("networks", n, "routes", r, "netmask"))
        slash = index(net, "/")
        if (slash) {
            mask = substr(net, slash + 1)
            net = substr(net, 1, slash - 1)
        }
        print "route", mac, net, mask, clean(at("networks", n, "routes", r, "gateway"))
    }
}

function servers_of(list,  s) {
    for (s = 0; at(list, s, "address") != ""; s++) print "dns", clean(at(list, s, "address"))
}

END {
    for (l = 0; at("links", l, "id") != ""; l++) {
        mac[at("links", l, "id")] = tolower(clean(at("links", l, "ethernet_mac_address")))
        print "link", mac[at("links", l, "id")], clean(at("links", l, "mtu")) + 0
    }
    for (n = 0; at("networks", n, "type") != ""; n++) {
        type = at("networks", n, "type")
        here = mac[at("networks", n, "link")]
        if (here == "") continue
        if (type == "ipv4" || type == "ipv6") {
            address_of(n, here)
            routes_of(n, here)
        } else if (type == "ipv4_dhcp") print "dhcp", here
        servers_of("networks" SEP n SEP "services")
    }
    servers_of("services")
}
