"""Questions to a deployed stage: does every server answer, do pushes go through?"""
