#!/usr/bin/env bash
# RouteGuide on AWS, with its registry and its service as two stacks of CloudFormation. docs/deploy.md walks through it.
#
#   deploy/aws.sh publish                     make the registry, build the image of this commit, push it
#   deploy/aws.sh deploy NAME=VALUE ...       run it; NAME is a parameter of deploy/service.yaml
#   deploy/aws.sh outputs                     what the service says about itself
#   deploy/aws.sh delete                      take down both
#
# The account and Region are those of the AWS CLI. STACK names the stacks, ENGINE builds the image, and PLATFORM is what
# it is built for and runs on: linux/amd64 or linux/arm64, the same for publish and deploy.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "deploy/aws.sh: $*" >&2
  exit 1
}

STACK=${STACK:-routeguide}
ENGINE=${ENGINE:-docker}
PLATFORM=${PLATFORM:-linux/amd64}
case $PLATFORM in
  linux/amd64) ARCHITECTURE=X86_64 ;;
  linux/arm64) ARCHITECTURE=ARM64 ;;
  *) fail "Fargate runs linux/amd64 or linux/arm64, not PLATFORM=$PLATFORM" ;;
esac
# The registry never moves a tag, so a commit needs one for each platform.
TAG=${TAG:-$(git rev-parse --short=12 HEAD)-${PLATFORM#linux/}}

stack() { # NAME TEMPLATE [ARGUMENT...]
  aws cloudformation deploy --no-fail-on-empty-changeset --stack-name "$1" --template-file "$2" "${@:3}"
}

output() { # NAME: an output of the registry's stack
  aws cloudformation describe-stacks --stack-name "$STACK-registry" \
    --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue" --output text
}

digest() { # REPOSITORY: of the image with the tag, or nothing. Filtered here, as AWS takes asking for no image as an error.
  aws ecr describe-images --repository-name "$1" --filter tagStatus=TAGGED \
    --query "imageDetails[?contains(imageTags, '$TAG')].imageDigest" --output text
}

publish() {
  # What a command substitution fails with ends the script in an assignment alone, not among the words of a command.
  local changes name uri image
  changes=$(git status --porcelain)
  [[ -z $changes ]] || fail "not all is committed, and the image is tagged by the commit:"$'\n'"$changes"
  stack "$STACK-registry" deploy/registry.yaml --parameter-overrides "RepositoryName=$STACK"
  name=$(output RepositoryName)
  uri=$(output RepositoryUri)
  image=$(digest "$name")
  if [[ -n $image ]]; then
    echo "$TAG is published already: $image"
    return
  fi
  aws ecr get-login-password | "$ENGINE" login --username AWS --password-stdin "${uri%%/*}"
  make image "ENGINE=$ENGINE" "IMAGE=$uri:$TAG" "ARGS=--platform $PLATFORM"
  "$ENGINE" push "$uri:$TAG"
}

deploy() {
  local name image
  name=$(output RepositoryName)
  image=$(digest "$name")
  [[ -n $image ]] || fail "$TAG is not published: run deploy/aws.sh publish"
  stack "$STACK" deploy/service.yaml --capabilities CAPABILITY_IAM \
    --parameter-overrides "RepositoryName=$name" "ImageDigest=$image" "CpuArchitecture=$ARCHITECTURE" "$@"
  outputs
}

outputs() {
  aws cloudformation describe-stacks --stack-name "$STACK" \
    --query 'Stacks[0].Outputs[].[OutputKey,OutputValue]' --output text
}

delete() {
  local name
  for name in "$STACK" "$STACK-registry"; do
    aws cloudformation delete-stack --stack-name "$name"
    aws cloudformation wait stack-delete-complete --stack-name "$name"
  done
}

case ${1:-} in
  publish | deploy | outputs | delete) "$@" ;;
  *) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
