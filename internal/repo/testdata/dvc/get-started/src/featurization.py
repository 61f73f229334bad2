print('featurization')
