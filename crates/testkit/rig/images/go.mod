module portolan/rig/images

go 1.24.0
