#!/bin/sh
# A mirror of many repositories on a Slurm cluster: plans here, then submits an array of jobs that copy a shard each, and a
# job that merges their reports when all have ended.
#
#     ./mirror.sh images.yaml mirror.example.com/hub 8
#
# The working directory must be one that all nodes share. Every node uses the logins of the user
# (pyskopeo login; REGISTRY_AUTH_FILE). A shard that failed is run again by submitting the same array once more, or only
# its number: what is there already is not copied again.
set -eu
images=$1 destination=$2 shards=$3

pyskopeo sync --src yaml --dest docker --all --scoped --keep-going --plan plan.jsonl "$images" "$destination"

run=$(sbatch --parsable --job-name=mirror --array="1-$shards" --output=shard-%a.log \
    "$(dirname "$0")/shard.sbatch")
sbatch --job-name=mirror-report --dependency="afterany:$run" --output=report.log \
    --wrap='pyskopeo report merge shard-*.json --output report.json'
