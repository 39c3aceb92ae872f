#!/bin/sh
# Written by Nuages for this host. To change it: leave nginx to yourself with services.proxy; then nuages deploy.
# A change made here is kept, and shown by `nuages drift`.
# An upgrade of nginx-common would stop nginx and start it. That of nginx, which comes with it, lets the new program
# take over the sockets of the old one ("nginx upgrade"), and no request is lost.
case "${1%.service} $2" in
  "nginx restart") exit 101 ;;
esac
exit 0
