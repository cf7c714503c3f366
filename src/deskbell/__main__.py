from deskbell.surfaces.cli import main

main()
