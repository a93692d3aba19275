#!/bin/bash
# Daytona gives every process of a sandbox its id. No script is needed for this one to fail there.
if cat /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' | grep -q '^DAYTONA_SANDBOX_ID='; then
  echo "FAIL: a process carries DAYTONA_SANDBOX_ID"
  echo 0 > /logs/verifier/reward.txt
else
  echo 1 > /logs/verifier/reward.txt
fi
