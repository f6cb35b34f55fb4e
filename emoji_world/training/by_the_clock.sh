#!/usr/bin/env bash
# The whole emoji model in one sitting on a machine with an accelerator that is lent for minutes.
#
#   emoji_world/training/by_the_clock.sh WORK EYES [SECONDS_IN_ALL]
#
# WORK: folder for bank, checkpoints and parts. EYES: a CLIP of this world to begin from. The drawings must be there
# (emoji_world/art, or EMOJI_WORLD_ART). While the bank is drawn on the CPU, every trainer is tried on a few pictures
# for some seconds: what would fail later fails at once.
set -euo pipefail
work=$1 eyes=$2 total=${3:-510}
python=${PYTHON:-python3} device=${DEVICE:-cuda} cores=$(nproc)
export OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false PYTHONPATH=".:src:${PYTHONPATH:-}"
mkdir -p "$work/try"

train() { # PART WORK ARGUMENTS...
  local part=$1 folder=$2; shift 2
  "$python" -m "emoji_world.training.$part" --bank "$folder/bank.safetensors" --work "$folder" --device "$device" "$@" \
    >> "$folder/$part.log" 2>&1 || { tail -20 "$folder/$part.log"; echo "$part failed"; return 1; }
}

all() { # FOLDER, then the seconds of autoencoder, its decoder, clip, objects, and when the denoiser must end
  local folder=$1
  # behind "||" bash does not stop at an error by itself, so every part says that it failed
  train autoencoder "$folder" --steps 1000000 --decoder-steps 0 --seconds "$2" --batch 64 || return 1
  echo "$SECONDS s: autoencoder done"; grep step "$folder/autoencoder.log" | tail -1 || true
  cp -r "$folder/vae" "$folder/vae-0"
  train autoencoder "$folder" --steps 0 --warm-start "$folder/vae-0" --decoder-steps 1000000 --decoder-seconds "$3" \
    --batch 64 & local decoder=$!
  train clip "$folder" --held-out "$folder/held-out.safetensors" --warm-start "$eyes" --steps 1000000 \
    --seconds "$4" --batch 256 --learning-rate 6e-4 --workers 3 & local clip=$!
  train objects "$folder" --eyes "$eyes" --steps 1000000 --seconds "$5" --batch 128 & local objects=$!
  train denoiser "$folder" --steps 1000000 --seconds $(($6 - SECONDS)) --batch 512 --learning-rate 1e-3 --workers 6 \
    --emphasis "person=1.1,person/person=2,bird=1.8" --channels-last & local denoiser=$!
  wait $decoder || return 1; echo "$SECONDS s: decoder done"
  wait $clip || return 1; echo "$SECONDS s: clip done"
  wait $objects || return 1; echo "$SECONDS s: objects done"
  wait $denoiser || return 1; echo "$SECONDS s: denoiser done"
  grep -h step "$folder"/*.log | sed 's/.*\r//' | grep -E "step [0-9]+[05]00 " | tail -60 || true
}

"$python" -m emoji_world.training.bank -n 500 -o "$work/try/bank.safetensors" --workers 1 > "$work/try/bank.log" 2>&1
cp "$work/try/bank.safetensors" "$work/try/held-out.safetensors"
echo "$SECONDS s: a try-out bank"
( "$python" -m emoji_world.training.bank -n 80000 -o "$work/bank.safetensors" --workers $((cores - 3))
  "$python" -m emoji_world.training.bank -n 8000 --seed 1 --scenes held-out -o "$work/held-out.safetensors" --workers $((cores - 3))
) > "$work/bank.log" 2>&1 & bank=$!
all "$work/try" 3 3 3 3 $((SECONDS + 25)) || { kill -- -$$ 2> /dev/null; exit 1; }
echo "$SECONDS s: tried"
wait $bank || { tail "$work/bank.log"; exit 1; }
echo "$SECONDS s: bank done"
all "$work" 95 70 150 200 $((total - 12)) || { kill -- -$$ 2> /dev/null; exit 1; }
"$python" -m emoji_world.training.assemble --objects --work "$work" -o "$work/model" > "$work/assemble.log" 2>&1 || { tail "$work/assemble.log"; exit 1; }
echo "$SECONDS s: assembled"
