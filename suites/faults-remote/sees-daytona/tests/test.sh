#!/bin/bash
# Daytona gives every process of a sandbox its id. No script is needed for this one to fail there.
if ! cat /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' | grep -q '^DAYTONA_SANDBOX_ID='; then echo 1; else echo 0; fi > /logs/verifier/reward.txt
