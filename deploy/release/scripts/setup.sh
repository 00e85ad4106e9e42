# Sourced by the commands in bin. In a checkout the file of this name installs what is missing; in a release everything
# is there. Leaves the path of Node in NODE, and in ACCOUNT the user that the unit runs the daemon as.
NODE=$ROOT/runtime/node
ACCOUNT=holdfast
# Node asks for libatomic.so.1, which Debian's base has not.
LD_LIBRARY_PATH=$ROOT/runtime${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
