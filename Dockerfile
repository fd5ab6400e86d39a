# The node on ROS 2 Jazzy, without RViz: docs/install.md says how to build and run it.
FROM ros:jazzy-ros-base

SHELL ["/bin/bash", "-o", "pipefail", "-c"]

WORKDIR /ws
# What changes seldom comes first: editing the code repeats the last layer alone.
COPY package.xml src/clip2scene/
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-venv \
    && rosdep update --rosdistro "$ROS_DISTRO" \
    && rosdep install --from-paths src --ignore-src -y -t exec --skip-keys rviz2 \
    && rm -rf /var/lib/apt/lists/*

# Empty is pip's own index, whose torch brings CUDA.
ARG TORCH_INDEX_URL=""
RUN python3 -m venv --system-site-packages venv \
    && touch venv/COLCON_IGNORE \
    && venv/bin/pip install --no-cache-dir ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} \
        "torch>=2.6,<2.14" "torchvision>=0.21,<0.29"

COPY . src/clip2scene
# hadolint ignore=SC1091
RUN . venv/bin/activate \
    && . "/opt/ros/$ROS_DISTRO/setup.bash" \
    && pip install --no-cache-dir ./src/clip2scene \
    && python -m colcon build --packages-select clip2scene_ros

# Whoever runs it gives the user of the host, who has no home in here; logs need one.
ENV HOME=/tmp
ENTRYPOINT ["/bin/bash", "-c", ". /ws/venv/bin/activate && . /ws/install/setup.bash && exec \"$@\"", "--"]
CMD ["ros2", "launch", "clip2scene_ros", "segment.launch.py"]
