#!/bin/bash
if (exec 3<>/dev/tcp/127.0.0.1/PORT) 2>/dev/null; then echo "there is a network"; exit 1; fi
echo "scanned $(ls "$2"/blobs/sha256 | wc -l) files, option $1"
