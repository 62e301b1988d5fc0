#!/usr/bin/env bash
# RouteGuide on AWS, with its registry and its service as two stacks of CloudFormation. docs/deploy.md walks through it.
#
#   deploy/aws.sh publish                     make the registry, build the image of this commit, push it
#   deploy/aws.sh deploy NAME=VALUE ...       run it; NAME is a parameter of deploy/service.yaml
#   deploy/aws.sh outputs                     what the service says about itself
#   deploy/aws.sh delete                      take down both
#
# The account and Region are those of the AWS CLI. STACK names the stacks, ENGINE builds the image.
set -euo pipefail
cd "$(dirname "$0")/.."

STACK=${STACK:-routeguide}
ENGINE=${ENGINE:-docker}
TAG=${TAG:-$(git rev-parse --short=12 HEAD)}

stack() { # NAME TEMPLATE [ARGUMENT...]
  aws cloudformation deploy --no-fail-on-empty-changeset --stack-name "$1" --template-file "$2" "${@:3}"
}

output() { # NAME: an output of the registry's stack
  aws cloudformation describe-stacks --stack-name "$STACK-registry" \
    --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue" --output text
}

digest() {
  aws ecr describe-images --repository-name "$(output RepositoryName)" --image-ids "imageTag=$TAG" \
    --query 'imageDetails[0].imageDigest' --output text
}

publish() {
  stack "$STACK-registry" deploy/registry.yaml --parameter-overrides "RepositoryName=$STACK"
  local uri
  uri=$(output RepositoryUri)
  aws ecr get-login-password | "$ENGINE" login --username AWS --password-stdin "${uri%%/*}"
  make image "ENGINE=$ENGINE" "IMAGE=$uri:$TAG"
  "$ENGINE" push "$uri:$TAG"
}

deploy() {
  stack "$STACK" deploy/service.yaml --capabilities CAPABILITY_IAM \
    --parameter-overrides "RepositoryName=$(output RepositoryName)" "ImageDigest=$(digest)" "$@"
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
  *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
