#!/usr/bin/env bash
# DVC 3.67.1 calls a stage up to date after data behind a link to a folder have changed.
#
# Images are often linked into a project, because they lie on another disk. A stage may depend on a folder, and DVC
# compares the content of all files below it. One would expect it to follow links to folders everywhere, as it does where
# the dependency itself is a link, or to refuse them.
#
# DVC follows a dependency that is a link, and links to single files, but passes over links to folders inside a
# dependency without a word: `dvc status` and `dvc repro` then keep results of images that have changed or are gone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dvc==3.67.1
cd "$folder"
mkdir images project
echo "pixels" > images/a.txt
cd project
git init --quiet
../venv/bin/dvc init --quiet
mkdir raw raw_of_files
ln -s ../../images raw/files
echo "list" | tee raw/manifest.csv > raw_of_files/manifest.csv
ln -s ../../images/a.txt raw_of_files/a.txt
ln -s ../images linked
cat > dvc.yaml <<'EOF'
stages:
  link_in_folder: {cmd: cat raw/files/a.txt > one.txt, deps: [raw], outs: [one.txt]}
  link_to_file: {cmd: cat raw_of_files/a.txt > two.txt, deps: [raw_of_files], outs: [two.txt]}
  linked_folder: {cmd: cat linked/a.txt > three.txt, deps: [linked], outs: [three.txt]}
EOF
../venv/bin/dvc repro --quiet
echo "other pixels" > ../images/a.txt
../venv/bin/dvc repro --quiet
for name in one two three; do
    echo "$name.txt: $(cat "$name.txt")"
done
[ "$(cat one.txt two.txt three.txt)" = "$(printf 'pixels\nother pixels\nother pixels')" ] || {
    echo "the behaviour has changed"
    exit 1
}
