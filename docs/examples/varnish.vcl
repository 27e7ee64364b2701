# A Varnish 7 cache in front of pages about people, which can be purged by person. No module besides those that
# Varnish brings. Put in your own origin, purgers and longest life (three places marked CHANGE).
#
# Each page says in the header Surrogate-Key whom and what it is about, in words that a purge names:
#
#     Surrogate-Key: <token> <dataset> <token>.<dataset>
#
# A purge is a ban on a header of the stored object, so that Varnish's background thread can apply it without waiting
# for a reader ("lurker-friendly"). A banned object is never served again, not even stale.

vcl 4.1;

import std;

# CHANGE: the application that makes the pages.
backend origin {
    .host = "127.0.0.1";
    .port = "8080";
}

# CHANGE: where shelflife runs. Nobody else may purge, or see which words a page carries.
acl purgers {
    "127.0.0.1";
    "::1";
}

sub vcl_recv {
    unset req.http.X-Purge;
    if (req.method == "PURGE") {
        if (client.ip !~ purgers) {
            return (synth(403, "Not a purger"));
        }
        if (!req.http.Surrogate-Key) {
            # One address, with all its variants.
            return (purge);
        }
        if (req.http.Surrogate-Key !~ "^[0-9a-z_.-]+( [0-9a-z_.-]+)*$") {
            return (synth(400, "Not a list of words"));
        }
        set req.http.X-Purge = regsuball(req.http.Surrogate-Key, "[.]", "[.]");
        set req.http.X-Purge = regsuball(req.http.X-Purge, " ", "|");
        if (!std.ban("obj.http.Surrogate-Key ~ (^|[[:space:]])(" + req.http.X-Purge + ")([[:space:]]|$)")) {
            return (synth(500, std.ban_error()));
        }
        return (synth(200, "Purged"));
    }
    # A verifier that asks the origin itself must not fill the cache by asking.
    if (req.http.Cache-Control ~ "no-store" && client.ip ~ purgers) {
        return (pass);
    }
}

# RFC 9111, section 5.2.1.7: only what is stored, else 504. This is how it is checked that a purge took effect.
sub vcl_miss {
    if (req.http.Cache-Control ~ "only-if-cached") {
        return (synth(504, "Not stored"));
    }
}

sub vcl_pass {
    if (req.http.Cache-Control ~ "only-if-cached") {
        return (synth(504, "Not stored"));
    }
}

sub vcl_backend_response {
    if (beresp.http.Surrogate-Key) {
        # Never serve such a page after its time, whatever the origin allows.
        set beresp.grace = 0s;
        set beresp.keep = 0s;
        # CHANGE: at most the `ttl` of the copy's declaration.
        if (beresp.ttl > 1d) {
            set beresp.ttl = 1d;
        }
    }
}

sub vcl_deliver {
    if (obj.hits > 0) {
        set resp.http.X-Cache = "HIT";
    } else {
        set resp.http.X-Cache = "MISS";
    }
    if (client.ip !~ purgers) {
        unset resp.http.Surrogate-Key;
    }
}
