# Starts all builds in the background, in the order in which their results are needed.

step "builds started in the background (unchanged ones are skipped)"
start_builds kubernetes kube traefik
start_builds knative tools base coredns knative policies
start_builds images rabbitmq mongo mysql ffmpeg
