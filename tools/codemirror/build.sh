#!/bin/sh
# Renews the vendored code editor: npm ci --ignore-scripts, then npm run build, here.
set -eu
cd "$(dirname "$0")"
to=../../static/vendor/codemirror-6.0.2
mkdir -p "$to"
node_modules/@esbuild/*/bin/esbuild editor.js --bundle --minify --format=iife --charset=utf8 \
  --global-name=SenderKitEditor --target=chrome109,firefox115,safari16 --legal-comments=none \
  --outfile="$to/codemirror.js"
{
  echo "Built of these packages, each under the MIT licence that follows:"
  for package in codemirror @codemirror/* @lezer/* @marijn/find-cluster-break crelt style-mod w3c-keyname; do
    for folder in node_modules/$package; do
      test -f "$folder/package.json" || continue
      node -p "const p = require('./$folder/package.json'); '  ' + p.name + ' ' + p.version"
    done
  done
  echo
  cat node_modules/codemirror/LICENSE
} >"$to/LICENSE"
(cd "$to" && sha256sum codemirror.js LICENSE >SHA256SUMS)
