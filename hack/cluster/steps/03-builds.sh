# Everything that has to be compiled or unpacked starts now, in the background,
# in the order in which it will be needed.

step "builds started in the background (skipped where nothing has changed)"
start_lane kubernetes kube traefik
start_lane knative tools base coredns knative
start_lane images rabbitmq mongo mysql ffmpeg
