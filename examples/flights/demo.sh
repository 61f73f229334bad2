#!/usr/bin/env bash
# Tell the story of one model on the flights of New York 2013: version the data, train, judge, look back, go back, share.
#
# Needs bin/mlx (make build), git and Python 3.11 or newer. Works in a new git repository in a temporary folder, which is
# removed at the end unless KEEP=1. Every step is checked: a wrong answer ends the demo with a status that is not 0.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

python=$("$root/.ci/python" "$here/requirements.txt")
work=$(mktemp -d)
service='' users=''
finish() {
  [ -z "$users" ] || kill "$users" || true
  [ -z "$service" ] || { kill "$service" && wait "$service" || true; }
  [ -n "${KEEP:-}" ] || rm -rf "$work"
}
trap finish EXIT

# Nothing of the user's own settings may change the story.
for name in ${!MLX_*} ${!GIT_*}; do unset "$name"; done
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 XDG_CONFIG_HOME=$work/config
export PATH=$root/bin:$(dirname "$python"):$PATH

bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' plain=$'\e[0m'; fi

say() {
  echo
  printf '# %s\n' "$@"
}
show() { # COMMAND…: print it, run it; it must succeed
  printf '%s$ %s%s\n' "$bold" "$(printf '%s ' "${@@Q}" | sed -E "s/'([A-Za-z0-9_.,:=~@/-]+)'/\1/g; s/ \$//")" "$plain"
  "$@"
}
expect() { # STATUS COMMAND…: the same, and it must end with this status
  local want=$1 status=0
  shift
  show "$@" || status=$?
  [ "$status" = "$want" ] || wrong "\"$*\" ended with status $status, not $want"
}
wrong() {
  echo "demo: $*" >&2
  exit 1
}
holds() { # EXPRESSION COMMAND…: true of d, the JSON documents that the command prints
  local expression=$1
  shift
  # A status of 1 or 3 may be the very answer that is asked about.
  { "$@" || case $? in 1 | 3) ;; *) false ;; esac; } | python -c "
import json, sys
d = [json.loads(line) for line in sys.stdin]
sys.exit(0 if ($expression) else 'not so: $expression')" || wrong "\"$*\" says something else"
}

cd "$work"
git init -q -b main flights
cd flights
git config user.name Demo
git config user.email demo@example.org
cp "$here"/{prepare.py,train.py,features.py,fit.py,judge.py,cheat.py,champion.py,split.py,retrain.py,inuse.py,later.py,serve.py,ask.py,celsius.patch,params.json,policy.yaml,serving.yaml,retrain.yaml,monitors.yaml,requirements.txt,mlx.yaml,.gitignore} .

say "A git repository with some scripts. mlx joins it: no server, no account; what it keeps is inside .git."
show mlx init
say "Three months of flights, one file a month. Data this size does not belong in git."
show python prepare.py data/flights 1 2 3
say "So save a version of it: git gets a small pointer file, the bytes go to mlx's store."
show mlx snapshot data/flights -m "January to March"
show git add -A
show git commit -qm "first quarter"
show git tag first-quarter
sha256sum data/flights/*.csv >"$work/first-quarter.sha256"

say "Look before you learn: what is in these columns? (A page with histograms: -o flights.html.)"
show mlx profile data/flights
holds 'd[0]["rows"] == 80789 and any(c["name"] == "arr_delay" and c["missing"] > 2000 for c in d[0]["columns"])' mlx profile data/flights --json
say "And is it what everybody believes it to be? The gate 'findings' asks, of the whole year. It finds what is really so: airports and" \
  "planes that no table knows, hours without weather, and departures at 24:00. Counted, with the rows."
show python prepare.py data/year 1 2 3 4 5 6 7 8 9 10 11 12
show python prepare.py data/lookups lookups
expect 1 mlx gate findings
holds '{c["name"]: c["failing"]["count"] for c in d[0]["gates"][0]["checks"] if c["verdict"] == "fail"} == {"dep_time": 29, "dest": 7602, "tailnum": 50094, "weather of the hour": 1556}' mlx gate findings --json

say "Train through mlx: will a flight arrive more than 30 minutes late? It learns from January and February, and is" \
  "judged on March. mlx records code, data, parameters, metrics, outputs and machine beside the result."
show mlx run -d data/flights -p depth=6 -o model.pkl python train.py
holds 'd[0]["state"] == "succeeded" and 0.70 < d[0]["metrics"]["auc"] < 0.80 and d[0]["params"]["depth"] == 6' mlx show @last --json
first_run=$(mlx show @last --json | python -c 'import json, sys; print(json.load(sys.stdin)["id"])')
say "Is that good enough? The gate in mlx.yaml decides, not a feeling. (Accuracy is no help: who always says \"on time\"" \
  "is right as often. So the gate asks for AUC and for the Brier score.)"
show mlx gate quality

say "A month later: April arrives. mlx sees it, and saves only what is new."
show python prepare.py data/flights 4
show mlx status
mlx status --check -q >"$work/status" && wrong "mlx status --check finds nothing changed"
show mlx snapshot -m "April added"
show git add -A
show git commit -qm "April"
sha256sum data/flights/*.csv >"$work/april.sha256"

say "Train again, with nothing changed but the data. Now it learns from three months and is judged on April."
show mlx run -d data/flights -p depth=6 -o model.pkl python train.py
say "April is a harder month, and more data did not help. The gate says no: status 1, which stops a script."
expect 1 mlx gate quality

say "What has happened here? Newest first."
show mlx log
holds 'sorted(r["kind"] for r in d) == ["gate/v1"] * 3 + ["run/v1"] * 2 + ["snapshot/v1"] * 2' mlx log --json
say "Only runs, only good ones, best first."
show mlx log -k run -w 'metrics.auc > 0.70' -s -metrics.auc --columns id,depth,auc,brier
holds '[r["id"] for r in d] == ["'"$first_run"'"]' mlx log -k run -w 'metrics.auc > 0.70' --json
say "Everything about the first run, and how the two differ (status 1 means: they do)."
show mlx show "${first_run:0:12}"
expect 1 mlx diff @last~1 @last
holds 'not d[0]["equal"] and d[0]["params"] == [] and any(m["key"] == "auc" for m in d[0]["metrics"])' mlx diff @last~1 @last --json
say "What was the model made from?"
show mlx lineage @last

say "What is done again and again becomes a pipeline: mlx.yaml names three stages, what each reads and what it writes."
show mlx lineage
show mlx repro --dry-run
show mlx repro
best=$(mlx show stage:fit --json | python -c 'import json, sys; print(json.load(sys.stdin)["id"])')
say "Every stage was a run: its code, data, parameters, packages, output and curves are recorded."
show mlx show "${best:0:12}"
holds 'd[0]["stage"]["name"] == "fit" and d[0]["series"]["points"] >= 80 and d[0]["environment"]["python"]["packages"] > 5' mlx show "$best" --json
say "Once more. Nothing is to be done, and it says why."
show mlx repro
holds '[s["did"] for s in d[0]["stages"]] == ["skipped"] * 3' mlx repro --json
say "Does a slower learner do better? The features stay as they are; what depends on the parameter runs."
show sed -i.old 's/"learning_rate": 0.06/"learning_rate": 0.03/' params.json
rm params.json.old
show mlx repro
holds 'sorted(r["stage"]["name"] for r in d if r["stage"]) == ["features", "fit", "fit", "judge", "judge"]' mlx log -k run --json
expect 1 mlx diff "${best:0:12}" stage:fit
say "It does not. Back to what was: nothing executes, the outputs come out of the store."
show git checkout -q params.json
show mlx repro
holds '"ran" not in [s["did"] for s in d[0]["stages"]]' mlx repro --json
show git add -A
git diff --cached --quiet || show git commit -qm "outputs of the pipeline are ignored by git"

say "A colleague's script is an ordinary MLflow script: there is no mlx in it. Under mlx run it records itself, and the model that" \
  "it registers is in the registry of this repository. It is very proud of its accuracy."
show mlx run -d data/flights python cheat.py
cheat=$(mlx show @last --json | python -c 'import json, sys; print(json.load(sys.stdin)["id"])')
show mlx show @last
holds 'd[0]["metrics"]["acc"] > 0.95 and d[0]["params"]["n_estimators"] == 40 and d[0]["state"] == "succeeded"' mlx show @last --json
show mlx model list
show mlx lineage late-flights@v1
say "May it go into production? Not because somebody says so: mlx.yaml states what that needs."
cat policy.yaml >>mlx.yaml
show cat policy.yaml
expect 3 mlx promote late-flights@v1 production
say "First: does it know anything that nobody knows an hour before departure? mlx.yaml says of each column when it is available; the" \
  "model itself says which columns it reads. (Its AUC would not show it: air_time alone lifts that by .004.)"
expect 1 mlx gate honest --for late-flights@v1
holds 'sum(w in d[0]["gates"][0]["checks"][0]["text"] for w in ("dep_time", "dep_delay", "arr_time", "air_time")) == 4' mlx gate honest --for late-flights@v1 --json
say "That settles it: whatever anybody signs, this version stays out. For the record, the rest of the policy: look into the file," \
  "without loading it: does it run code? And sign exactly these bytes."
show mlx model scan late-flights@v1
for name in ana risk-team; do
  ssh-keygen -q -t ed25519 -N '' -C $name -f "$work/$name"
  show mlx key add "$work/$name.pub"
done
show mlx model sign late-flights@v1 --kind security --key "$work/ana" -m "no code in it"
say "It stays where it is: no signature helps against a gate that says no."
expect 1 mlx promote late-flights@v1 production
holds '[n["verdict"] for n in d[0]["needs"]] == ["fail", "pass", "pass", "inconclusive"]' mlx promote late-flights@v1 production --dry-run --json
show git add -A
show git commit -qm "a policy for production"

say "The other way to fool oneself: test on flights drawn at random. They are of days that the model has learned from, and flights of" \
  "one day share their weather. mlx says so before anybody believes the number."
show python split.py random
expect 1 mlx gate split
say "Days that come after those of the training: less flattering, and true."
show python split.py forward
show mlx gate split

say "Which of two models is better? Each predicts the same flights of April and of July. Whether the difference is more than the luck of" \
  "those days is counted by days, not by flights."
show mlx run -q --name logistic -o april.csv -o july.csv python champion.py logistic
show mlx run -q --name boosting -o april.csv -o july.csv python champion.py boosting
say "In April thirty days cannot tell: status 3, with what it would take. In July they can."
expect 3 mlx gate april --for boosting --against logistic
holds 'd[0]["verdict"] == "inconclusive" and d[0]["gates"][0]["checks"][0]["rows_needed"] > 100000' mlx gate april --for boosting --against logistic --json
show mlx gate july --for boosting --against logistic -o july.html
holds 'd[0]["verdict"] == "pass" and all(c["interval"][0] > -0.01 for c in d[0]["gates"][0]["checks"] if c["name"] == "roc_auc")' mlx gate july --for boosting --against logistic --json
say "And the other way round, as a comment on a pull request would have it: who wants the logistic regression back is told why not."
expect 1 mlx gate july --for logistic --against boosting --format markdown

say "One model goes into use: learned from January to March, by a stage whose success makes the next version. Here is what it was asked" \
  "on each day, and what it answered; what became of those flights is known weeks later."
sed -i.old '/^stages:/r retrain.yaml' mlx.yaml
rm mlx.yaml.old
cat monitors.yaml >>mlx.yaml
show cat retrain.yaml monitors.yaml
mkdir -p data/known
cp data/year/2013-0[123].csv data/known
show mlx snapshot data/known -m "what is known at the end of March"
show git add -A
show git commit -qm "the first quarter is known"
show mlx repro retrain
show python inuse.py work/delays.pkl use 1 2 3 7 8
say "January against July: the weather is another one, the schedule is not. That is the season, and not that the world has changed; mlx" \
  "says what differs and in which direction. Flights of one day share their weather, so days are compared, not flights."
expect 1 mlx drift check --reference 'use/asked/2013-01-*.csv' --current 'use/asked/2013-07-*.csv' --ignore id,score,day_of_week \
  --time time_hour --time-zone America/New_York -o seasons.html
holds '{c["name"]: round(c["value"], 1) for c in d[0]["monitors"][0]["columns"] if c["verdict"] == "fail"}.items() >= {"weather_temp": 7.9, "weather_dewp": 8.3, "weather_pressure": 1.8}.items() and all(c["verdict"] == "pass" for c in d[0]["monitors"][0]["columns"] if not c["name"].startswith("weather_"))' \
  mlx drift check --reference 'use/asked/2013-01-*.csv' --current 'use/asked/2013-07-*.csv' --ignore id,score,day_of_week --time time_hour --time-zone America/New_York --json
say "Nobody looks at that by hand. The monitor 'delays' of mlx.yaml compares the last seven days with the first quarter; cron asks every night."
show mlx export crontab monitor:delays
say "At the end of March nothing is new: one line by hand, no mail from cron."
show mlx drift check delays --at 2013-04-01T08:00:00Z
say "In July something is. By then the flights of April to June are known. The check starts what mlx.yaml says, once, and the record of" \
  "the run says why."
cp data/year/2013-0[456].csv data/known
show mlx snapshot data/known -m "April to June"
show git add -A
show git commit -qm "the second quarter is known"
expect 1 mlx drift check delays --at 2013-07-08T08:00:00Z -q
say "The same line again, as when cron runs it twice: nothing is said, nothing is started."
expect 1 mlx drift check delays --at 2013-07-08T08:00:00Z -q
expect 1 mlx drift check delays --at 2013-07-08T08:00:00Z
holds 'sum(r["stage"]["name"] == "retrain" for r in d if r["stage"]) == 2' mlx log -k run --json
show mlx lineage delays@v2
holds 'any("weather_temp" in str(n) and "weather_dewp" in str(n) for n in d[0]["nodes"] if n["kind"] == "drift")' mlx lineage delays@v2 --json
say "In August the outcomes of July arrive. Did the model suffer? It still ranks late flights above punctual ones as it did. But its" \
  "probabilities are off: it said 14 % and it was 23 %."
for month in 01 02 03 07; do show mlx label add use/outcomes-2013-$month.csv; done
expect 1 mlx drift check outcomes --at 2013-08-01T08:00:00Z
holds '{c["name"]: c["verdict"] for c in d[0]["monitors"][0]["checks"]}["roc_auc"] == "pass" and {c["name"]: c["verdict"] for c in d[0]["monitors"][0]["checks"]}["calibration"] == "fail"' mlx drift check outcomes --at 2013-08-01T08:00:00Z --json
show mlx log monitor:delays
say "Was it worth it? Both versions predict the same flights of July and of August."
show mlx get delays@v1 -o first.pkl
show mlx get delays@v2 -o again.pkl
show mlx run -q --name first -o july.csv -o august.csv python later.py first.pkl
show mlx run -q --name again -o july.csv -o august.csv python later.py again.pkl
rm first.pkl again.pkl
say "In July it ranks better. In August it ranks better too and is worse calibrated: it has learned a summer that was over. By days that is" \
  "not certain, and mlx says that as well: status 3."
expect 3 mlx gate july --for again --against first
holds '[c["verdict"] for c in d[0]["gates"][0]["checks"] if c["name"] == "roc_auc"] == ["pass"]' mlx gate july --for again --against first --json
expect 3 mlx gate august --for again --against first
holds '[(c["name"], c["verdict"], c["difference"] > 0.01) for c in d[0]["gates"][0]["checks"]] == [("roc_auc", "pass", True), ("ece", "inconclusive", True)]' mlx gate august --for again --against first --json
show git add -A
git diff --cached --quiet || show git commit -qm "outputs that git ignores"

say "Back to the first quarter: git brings back code and pointer, mlx the data. Every byte is as it was."
show git checkout -q first-quarter
show mlx checkout
show sha256sum --check "$work/first-quarter.sha256"
[ ! -e data/flights/2013-04.csv ] || wrong "April is still there"
say "And forward again."
show git checkout -q main
show mlx checkout
show sha256sum --check "$work/april.sha256"
say "The data alone, without moving git: any commit, tag or snapshot will do."
show mlx checkout --at first-quarter data/flights
(cd "$work/flights" && sha256sum --check --quiet "$work/first-quarter.sha256") || wrong "the first quarter is not what it was"
show mlx checkout
sha256sum --check --quiet "$work/april.sha256" || wrong "April is not what it was"

say "The model is to answer users. mlx.yaml says how it is served and how one version takes over from another; serve.py is any server, with" \
  "no mlx in it. One more monitor reads what was asked. Somebody signs for both versions: the policy of the stage asks for that."
cat serving.yaml >>mlx.yaml
show cat serving.yaml
python ask.py - 12 20 >warmup.jsonl
expect 3 mlx deploy flights delays@v1 --dry-run
for version in delays@v1 delays@v2; do
  show mlx model sign "$version" --kind security --key "$work/ana" -m "our own pickle, from a run on record"
done
show git add -A
show git commit -qm "delays as a service"

say "Share it. A folder serves as well as a bucket: s3://, gs://, azblob://. What you typed is yours; a colleague is asked once."
show mlx remote add team "$work/share"
show git add -A
show git commit -qm "share with the team"
show mlx push
holds 'd[0]["changed"] == False' mlx push --json
say "A colleague clones the git repository, on another machine: that is what XDG_CONFIG_HOME stands for here."
cd "$work"
git clone -q flights elsewhere
cd elsewhere
export XDG_CONFIG_HOME=$work/colleague
expect 2 mlx pull
show mlx trust -y
show mlx pull
say "Everything is there: the data, byte for byte, the runs, the verdicts."
show sha256sum --check "$work/april.sha256"
show mlx log
holds 'sorted(r["kind"] for r in d if r["kind"] in ("gate/v1", "run/v1", "snapshot/v1")) == ["gate/v1"] * 11 + ["run/v1"] * 14 + ["snapshot/v1"] * 8' mlx log --json
show mlx show late-flights@v1
holds 'd[0]["not_pushed"] == {**d[0]["not_pushed"], "snapshots": 0, "records": 0}' mlx status --json
say "Is the best model what its record claims? In this clean clone: the recorded commit, data and parameters, run again, compared."
show mlx rerun "${best:0:12}"
holds 'd[0]["result"] in ("identical", "equal") and d[0]["outputs"][0]["path"] == "work/model.pkl"' mlx rerun "$best" --json
[ -z "$(git status --porcelain)" ] || wrong "the rerun left something behind: $(git status --porcelain)"
say "A clean clone is all that a host needs: code from git, model from the remote, signatures checked. One process runs the service: router" \
  "and model servers, started again if they end."
git config user.name Li
git config user.email li@example.org
printf '%s$ mlx service run flights &%s\n' "$bold" "$plain"
mlx service run flights >"$work/service.log" 2>&1 &
service=$!
for _ in $(seq 100); do
  mlx service status flights >"$work/status" 2>&1 && break
  sleep 0.2
done
show mlx deploy flights delays@v1 -m "first version"
url=$(mlx service status flights --json | python -c 'import json, sys; print(json.load(sys.stdin)["url"])')
show python prepare.py data/year 12
say "Users come, a hundred a second, and ask about flights of December. Under them the second version takes over: 30 % first, judged by its" \
  "errors and by whether its predictions are like those of the first, then all."
printf '%s$ python ask.py URL 12 100 &%s\n' "$bold" "$plain"
python ask.py "$url" 12 100 >"$work/asked" &
users=$!
show mlx deploy flights delays@v2 -m "learned until June"
holds 'd[0]["state"] == "stable" and d[0]["arms"][0]["model"]["name"] == "delays@v2"' mlx service status flights --json
say "A tidy colleague moves to SI units, and forgets that the model has learned degrees Fahrenheit. Nothing fails, no error, no slow answer:" \
  "every answer is a fine probability. It is caught at the first step, and taken back."
show cat celsius.patch
show git apply celsius.patch
show git commit -qam "SI units"
expect 1 mlx deploy flights delays@v2 -m "SI units"
holds 'd[0]["state"] == "rolled_back" and "prediction_psi" in d[0]["rollout"]["reason"]' mlx service status flights --json
show mlx service status flights
git reset -q --hard HEAD~1
say "And back to the first version, because a person wants it. No step is replayed: all at once."
show mlx rollback flights -m "complaints from JFK"
kill "$users"
wait "$users" || wrong "requests were lost: $(cat "$work/asked")"
users=''
say "What did the users see of two rollouts and two returns?"
show cat "$work/asked"
grep -q 'lost 0;' "$work/asked" || wrong "requests were lost"
say "Who did what, when and why reads like a story."
show mlx log service:flights
holds 'len([r for r in d if r["kind"].startswith("deploy")]) == 4' mlx log service:flights --json
say "What was asked and answered is on record, and a monitor reads it from there: December has other weather than the first quarter, and the" \
  "flights are the same kind of flights."
expect 1 mlx drift check served
holds '{c["name"] for c in d[0]["monitors"][0]["columns"] if c["verdict"] == "fail"} >= {"weather_pressure", "weather_humid"}' mlx drift check served --json
kill "$service"
wait "$service" || wrong "the service ended badly: $(cat "$work/service.log")"
service=''
show mlx log -k prediction
holds 'sum(r["rows"] for r in d) == int(open("'"$work"'/asked").read().split()[1].rstrip(","))' mlx log -k prediction --json

say "An earlier version comes as easily, and only what is missing here travels."
show mlx get first-quarter:data/flights -o first-quarter
sed 's,data/flights/,first-quarter/,' "$work/first-quarter.sha256" | sha256sum --check --quiet || wrong "the first quarter is not what it was"
say "One file, without any clone: straight from where it lies."
cd "$work"
show mlx get --from "file://$work/share" data/flights/2013-04.csv -o april.csv
[ "$(sha256sum <april.csv)" = "$(grep 2013-04 april.sha256 | cut -d' ' -f1)  -" ] || wrong "the file that was fetched is another one"
say "And the model of the first run, from the repository of the colleague who made it."
show mlx get --from "$work/flights" "${first_run:0:12}:model.pkl" -o model.pkl
export XDG_CONFIG_HOME=$work/config
cd "$work/flights"

say "Last, read every stored byte again, here and at the remote, and ask whether anything is unsaved."
show mlx verify
show mlx verify -r team
expect 0 mlx status --check
[ -z "$(git status --porcelain)" ] || wrong "git finds something unsaved: $(git status --porcelain)"
say "That was: init, snapshot, profile, run, gate, log, show, diff, lineage, repro, model, promote, drift, label, checkout, remote, push, trust, pull, rerun, service, deploy, rollback, get, verify." "All answers were as expected."
[ -z "${KEEP:-}" ] || echo "The repository is $work/flights."
